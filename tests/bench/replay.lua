-- replay.lua: sends the requests of a file (see requests.mjs) and prints one line of JSON.
-- Arguments: FILE THREADS once|again|refresh PAUSE.  "once": every request is sent once at most; the answer
-- "left" says how many were not needed.  "refresh": each answer has the token of one more request.
-- PAUSE: milliseconds of a connection between answer and request in the mean, 0: none.
local threads, count = {}, 0

function setup(thread)
    thread:set("id", count)
    count = count + 1
    table.insert(threads, thread)
end

function init(args)
    local step = tonumber(args[2])
    again = args[3] == "again"
    requests, at = {}, 0
    local file, n = assert(io.open(args[1], "rb")), 0
    for size in function() return file:read(5) end do
        if n % step == id then
            requests[#requests + 1] = file:read(tonumber(size))
        else
            file:seek("cur", tonumber(size))
        end
        n = n + 1
    end
    file:close()
    total = #requests
    if args[3] == "refresh" then
        local head = requests[1]:match("^.-\r\n\r\n")
        function response(_, _, body)
            local token = body:match('"refresh_token":"([^"]+)"')
            if not token then return end
            total = total + 1
            requests[total] = head .. string.format("%-80s", '{"refresh_token":"' .. token .. '"}')
        end
    end
    math.randomseed(id)
    local pause = tonumber(args[4])
    if pause > 0 then
        function delay() return math.random(0, 2 * pause) end
    end
end

function request()
    at = at + 1
    if at > total then
        if not again then
            wrk.thread:stop()
            at = total -- one more of what was sent; the run is worthless and says so
            short = true
        else
            at = 1
        end
    end
    return requests[at]
end

function done(summary, latency)
    local left, short = 0, false
    for _, thread in ipairs(threads) do
        left = left + thread:get("total") - thread:get("at")
        short = short or thread:get("short") == true
    end
    local e = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"seconds":%.6f,"bad":%d,"lost":%d,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,'
            .. '"mean_ms":%.3f,"left":%d,"short":%s}\n',
        summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
        latency.mean / 1e3, left, tostring(short)))
end
