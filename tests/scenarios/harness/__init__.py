"""What scenarios are made of: a daemon, targets, clients, and waiting with a deadline."""
from .clients import (Load, Talk, ask, asks, connect, ending, outcome, read_all, reset)
from .clock import WallClock
from .daemon import Daemon, app, apps_text, quoted
from .dns import DnsServer
from .http import post, reload, request
from .installation import Installation
from .lives import (Conversation, Crowd, crashes, generations, kill, kill_supervisor, listeners,
                    launch_successor, pids, replaced, roles)
from .machine import (BIN, SANITIZED, SLOWNESS, cpu_seconds, free_port, free_ports,
                      hang, is_alive, pss_bytes, until)
from .network import own_network
from .servers import (MariaDb, Memcached, Postgres, RealServer, Redis, SmtpServer,
                      find_program)
from .stand_in import COMMON, StandIn
from .targets import EchoProcess, SmallQueue, Target, answer, echo, greet, occupy
from .web import Authority, GrpcHealth, Nginx

__all__ = [name for name in dir() if not name.startswith("_")]
