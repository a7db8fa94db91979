"""What the benches of collection share: the sender, kernel counters, processor time, and `weir run` as a collector."""
import collections
import contextlib
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')) / 'release'
TICKS = os.sysconf('SC_CLK_TCK')
# What a burst waits in while the collector is behind; the kernel counts about 2.3 KiB for each datagram of 1,400 octets.
RECEIVE_BYTES = 64 << 20
RMEM_MAX = pathlib.Path('/proc/sys/net/core/rmem_max')
# Without a new row for this long nothing more will come.
QUIET_SECONDS = 5

CONFIG = """
[store]
budget_bytes = 17179869184
[capture]
enabled = false
[web]
listen = "127.0.0.1:{web}"
[collect]
listen = ["127.0.0.1:{port}"]
receive_buffer_bytes = {buffer}
"""


def arguments(parser):
    """Options that every bench of collection has."""
    parser.add_argument('--weir', default=os.environ.get('WEIR_BIN', str(TARGET / 'weir')))
    parser.add_argument('--sender', default=str(TARGET / 'export_blaster'))
    parser.add_argument('--version', choices=['v5', 'v9', 'ipfix'], default='v9')


@contextlib.contextmanager
def receive_memory(octets):
    """Lets programs have socket buffers of so many octets; the setting is put back."""
    before = RMEM_MAX.read_text()
    if int(before) < octets:
        if os.geteuid() != 0:
            sys.exit(f'net.core.rmem_max is {before.strip()}; as root: sysctl net.core.rmem_max={octets}')
        RMEM_MAX.write_text(str(octets))
    try:
        yield
    finally:
        if int(before) < octets:
            RMEM_MAX.write_text(before)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def kernel_drops(port):
    """Datagrams that the kernel had no room for; none while nobody listens."""
    for line in pathlib.Path('/proc/net/udp').read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(':')[2], 16) == port:
            return int(fields[-1])
    return None


def wait_for(what, seconds, ready):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        value = ready()
        if value is not None and value is not False:
            return value
        time.sleep(0.05)
    sys.exit(f'{what} did not happen in {seconds} s')


def family(pid):
    """A process and all below it."""
    try:
        children = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    except OSError:
        children = []
    return [pid] + [one for child in children for one in family(int(child))]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def threads(pid):
    """Seconds of processor time by the name of the thread."""
    spent = collections.Counter()
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        with contextlib.suppress(OSError):
            nanos = int((task / 'schedstat').read_text().split()[0])
            spent[(task / 'comm').read_text().strip()] += nanos / 1e9
    return spent


def anonymous(pid):
    """Octets of memory that no file backs, of a process and all below it."""
    octets = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            status = pathlib.Path(f'/proc/{one}/status').read_text()
            octets += sum(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith('RssAnon:'))
    return octets


class Peak(threading.Thread):
    """The most anonymous memory that a process has while this runs."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.octets, self.ended = pid, 0, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self):
        while not self.ended.wait(0.1):
            self.octets = max(self.octets, anonymous(self.pid))


def blast(options, port, phases):
    """Sends, and answers what was sent."""
    words = [options.sender, f'127.0.0.1:{port}', options.version, *phases]
    sent = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return json.loads(sent.splitlines()[-1])


class Weir:
    """`weir run` that only collects, with a data directory in `folder`."""

    def __init__(self, options, folder):
        self.data, self.port, self.web = folder / 'data', free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        config = folder / 'weir.toml'
        config.write_text(CONFIG.format(web=self.web, port=self.port, buffer=RECEIVE_BYTES))
        self.log = open(folder / 'weir.log', 'wb')
        words = [options.weir, 'run', '--config', str(config), '--data-dir', str(self.data)]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        wait_for('a listener', 20, lambda: kernel_drops(self.port) is not None)

    def totals(self):
        """Records, octets and packets of all rows, as the ring has them."""
        with contextlib.closing(sqlite3.connect(f'file:{self.data}/weir.db?mode=ro', uri=True)) as ring:
            rows, = ring.execute('SELECT coalesce(sum(count), 0) FROM block').fetchone()
            sums = ring.execute('SELECT coalesce(sum(octets), 0), coalesce(sum(packets), 0) FROM minute').fetchone()
        return rows, *sums

    def settle(self, records):
        """Waits until as many records are stored, or no more come."""
        rows, since = -1, time.monotonic()
        while rows < records and time.monotonic() - since < QUIET_SECONDS:
            time.sleep(0.2)
            now = self.totals()[0]
            if now != rows:
                rows, since = now, time.monotonic()

    def losses(self):
        """What the agent says was lost, by reason."""
        key = (self.data / 'admin.key').read_text().strip()
        words = ['curl', '-s', '-H', f'Authorization: Bearer {key}', f'http://127.0.0.1:{self.web}/v1/metrics']
        answer = subprocess.run(words, capture_output=True, check=True).stdout
        return {loss['reason']: loss['count'] for loss in json.loads(answer)['losses'] if loss['count']}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
