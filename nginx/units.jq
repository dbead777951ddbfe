# systemd units of an application's system.  Input: one spec.
# The socket unit holds the listening socket, so that no request is lost while a service restarts.

# Whoever has an address in its settings goes out: to the database, a provider, a mail server.
def needs_network: any(.settings[].name; endswith("_URL") or endswith("_HOST"));

def socket_unit($app): "# Made by nginx/generate from `\(.name) --spec`.
[Unit]
Description=\($app) \(.name) (socket)

[Socket]
ListenStream=/run/\($app)/\(.name).sock
SocketUser=fn-\(.name)
SocketGroup=www-data
SocketMode=0660
Backlog=4096
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
";

def service_unit($app): "# Made by nginx/generate from `\(.name) --spec`.
[Unit]
Description=\($app) \(.name): \(.summary)
After=network-online.target" + (if .route then "
Requires=fn-\(.name).socket
After=fn-\(.name).socket" else "" end) + "
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/opt/\($app)/bin/\(.name)
# New workers from the binary that lies there now, then the old ones finish: a deploy without loss.
# It waits for the master's word: when they do not get ready the old ones go on, and it fails.
ExecReload=/bin/sh -c 'cd /run/\($app); said() { cat \(.name).$$1 2>/dev/null || echo 0; }; \\
    ready=$$(said generation) refused=$$(said refused); kill -HUP $MAINPID || exit 1; \\
    while kill -0 $MAINPID && [ $$(said refused) = $$refused ]; do \\
        [ $$(said generation) = $$ready ] || exit 0; sleep 0.1; done; \\
    echo \"the new workers did not get ready\" >&2; exit 1'
EnvironmentFile=/etc/\($app)/\(.name).env
Environment=RUN_DIR=/run/\($app)
" + (if any(.settings[]; .name == "STATE_DIR") then "Environment=STATE_DIR=/var/lib/\($app)/\(.name)
StateDirectory=\($app)/\(.name)
StateDirectoryMode=0700
" else "" end) + "Restart=always
RestartSec=100ms
# Longer than the longest request, which may end first
TimeoutStopSec=\(((.timeout_ms + 999) / 1000 | floor) + 5)
KillMode=mixed
LimitNOFILE=65536

User=fn-\(.name)
Group=\($app)
UMask=0027
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=/run/\($app)
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX\(if needs_network then " AF_INET AF_INET6 AF_NETLINK" else "" end)
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
MemoryMax=\(.memory_mb_max)M
TasksMax=\(.tasks_max)

[Install]
WantedBy=multi-user.target
";

# What /etc/APP/NAME.env has to hold.  Between single quotes systemd takes everything as it stands; without
# them it eats backslashes, and blanks at the ends.
def env_file($app): "# /etc/\($app)/\(.name).env, mode 0600.  Write NAME='value': nothing but a quote needs care then.\n"
    + (.settings | map(select(.name != "RUN_DIR") | "\n# \(.meaning)\n"
        + if .required then "\(.name)=''\n" else "#\(.name)='\(.default // "")'\n" end) | join(""));

# Input of these: all specs.
def sysusers($app): "# Made by nginx/generate.\ng \($app) -\n"
    + (map("u fn-\(.name) -:\($app) \"\($app) \(.name)\"\n") | join(""));
# Sticky: functions share the folder for their numbers but cannot remove each other's files.
def tmpfiles($app): "# Made by nginx/generate.\nd /run/\($app) 1775 root \($app) -\n";
