# systemd units.  Input: one spec.
# The socket unit holds the listening socket, so that no request is lost while a service restarts.

def needs_network: any(.settings[].name; . == "DATABASE_URL" or startswith("NOWPAYMENTS_"));

def socket_unit: "# Made by nginx/generate from `\(.name) --spec`.
[Unit]
Description=FlashFundX \(.name) (socket)

[Socket]
ListenStream=/run/flashfundx/\(.name).sock
SocketUser=fn-\(.name)
SocketGroup=www-data
SocketMode=0660
Backlog=4096
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
";

def service_unit: "# Made by nginx/generate from `\(.name) --spec`.
[Unit]
Description=FlashFundX \(.name): \(.summary)
After=network-online.target" + (if .route then "
Requires=fn-\(.name).socket
After=fn-\(.name).socket" else "" end) + "
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/opt/flashfundx/bin/\(.name)
# New workers from the binary that lies there now, then the old ones finish: a deploy without loss
ExecReload=/bin/kill -HUP $MAINPID
EnvironmentFile=/etc/flashfundx/\(.name).env
Environment=RUN_DIR=/run/flashfundx
Restart=always
RestartSec=100ms
# Longer than the longest request, which may end first
TimeoutStopSec=\(((.timeout_ms + 999) / 1000 | floor) + 5)
KillMode=mixed
LimitNOFILE=65536

User=fn-\(.name)
Group=flashfundx
UMask=0027
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=/run/flashfundx
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
MemoryMax=256M
TasksMax=128

[Install]
WantedBy=multi-user.target
";

# Input of these: all specs.
def sysusers: "# Made by nginx/generate.\ng flashfundx -\n"
    + (map("u fn-\(.name) -:flashfundx \"FlashFundX \(.name)\"\n") | join(""));
# Sticky: functions share the folder for their numbers but cannot remove each other's files.
def tmpfiles: "# Made by nginx/generate.\nd /run/flashfundx 1775 root flashfundx -\n";
