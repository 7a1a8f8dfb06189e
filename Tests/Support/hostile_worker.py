#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that does one thing wrong: hostile_worker.py MODE [ARGUMENT].

Frames are made by hand (docs/PROTOCOL.md), standard library only. Each function whose name starts with `mode_` is a
MODE, with dashes for underscores. If PIDS is set, the number of each process is appended to the file that it names.
"""

import os
import resource
import signal
import socket
import struct
import sys
import time
import zlib

HELLO, WELCOME, REJECT, READY = 0x01, 0x02, 0x03, 0x04
REQUEST, RESPONSE, ACCEPT, REFUSE, DATA, CREDIT, END, ERROR, RESET, STOP = range(0x10, 0x1A)
PROGRESS, LOG, PING, PONG, DRAIN, BYE = 0x20, 0x21, 0x30, 0x31, 0x32, 0x33
COMPRESSED, FLUSH, FINAL = 1, 2, 1
UNKNOWN = 2**64 - 1
BAD_DATA = 0x0203

sock = None


# ------------------------------------------------------------------------------------------------------- by hand


def frame(kind, stream, payload=b"", flags=0, length=None):
    size = len(payload) if length is None else length
    return struct.pack("<IBBBBQ", size, kind, flags, 0, 0, stream) + payload


def send(*arguments, **options):
    sock.sendall(frame(*arguments, **options))


def string(text):
    data = text.encode()
    return struct.pack("<H", len(data)) + data


def tlv(tag, value):
    return struct.pack("<HI", tag, len(value)) + value


def take(count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def receive():
    """The next frame but PING, which is answered."""
    while True:
        length, kind, flags, _, _, stream = struct.unpack("<IBBBBQ", take(16))
        payload = take(length)
        if kind != PING:
            return kind, stream, payload
        send(PONG, 0, payload)


def wait_for(*kinds):
    while True:
        found = receive()
        if found[0] in kinds:
            return found


def hello(first=1, last=1, extra=b""):
    tlvs = tlv(7, b"hostile") + tlv(8, struct.pack("<I", os.getpid())) + extra
    send(HELLO, 0, bytes.fromhex("FF 49 50 43 46 0D 0A 00") + struct.pack("<HH", first, last) + tlvs)


def request():
    """Shakes hands and returns the id of the first call."""
    hello()
    wait_for(WELCOME)
    send(READY, 0)
    return wait_for(REQUEST)[1]


def accept(stream, limit=2**40):
    send(ACCEPT, stream, struct.pack("<QB7x", limit, 0))


def respond(stream, size=UNKNOWN, codec=0, digest=0):
    """Offers a result; one of unknown size waits until it is wanted."""
    send(RESPONSE, stream, struct.pack("<QBBBBI", size, codec, 0, digest, 0, 0) + struct.pack("<H", 0))
    if size == UNKNOWN:
        wait_for(ACCEPT)


def end(stream, total, digest=0, value=0):
    send(END, stream, struct.pack("<QB3xI", total, digest, value))


def answer(stream, data=b"answer\n"):
    respond(stream, len(data))
    send(DATA, stream, data)
    end(stream, len(data))


def leave():
    """Ends in order, as a good worker."""
    wait_for(DRAIN)
    send(BYE, 0)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65_536):
        pass
    sys.exit(0)


def serve_nothing():
    """Answers pings, reads everything, and does nothing."""
    while True:
        receive()


def sleep():
    while True:
        time.sleep(1)


def note_pid():
    if "PIDS" in os.environ:
        with open(os.environ["PIDS"], "a") as file:
            file.write(f"{os.getpid()}\n")


def die(how):
    """By `exit:N` or by `signal:NAME`."""
    kind, value = how.split(":")
    if kind == "exit":
        os._exit(int(value))
    number = getattr(signal, "SIG" + value)
    signal.signal(number, signal.SIG_DFL) if value not in ("KILL", "STOP") else None
    os.kill(os.getpid(), number)
    sleep()


def leave_grandchild(session):
    """A process that holds the socket and standard error for longer than any test takes."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        if session == "setsid":
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(writer, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reader, 1)


# ------------------------------------------------------------------------------------------------ before HELLO


def mode_die_early(how):
    print("about to go", file=sys.stderr, flush=True)
    die(how)


def mode_version():
    hello(first=7, last=9)
    while True:
        length, kind, _, _, _, _ = struct.unpack("<IBBBBQ", take(16))
        payload = take(length)
        if kind == REJECT:
            code, low, high, limit = struct.unpack_from("<HHHQ", payload)
            print(f"rejected: code {code}, versions {low} to {high}", file=sys.stderr)
            sys.exit(78)


def mode_bad_limit():
    hello(extra=tlv(1, struct.pack("<I", 16)))
    wait_for(REJECT)
    sys.exit(78)


def mode_garbage():
    sock.sendall(bytes((number * 167 + 13) % 256 for number in range(8192)))
    sleep()


def mode_text():
    sock.sendall(b"Starting up ...\nListening on port 8080\n" * 10)
    sleep()


def mode_giant_hello():
    sock.sendall(frame(HELLO, 0, length=0xFFFF_FFFF))
    sleep()


def mode_half_hello():
    sock.sendall(frame(HELLO, 0, b"x" * 10, length=40))
    sleep()


def mode_silent():
    sleep()


def mode_never_ready():
    hello()
    serve_nothing()


def mode_cannot_initialise():
    hello()
    wait_for(WELCOME)
    send(ERROR, 0, struct.pack("<HH", 0x000B, 0) + string("the licence file is missing"))
    sys.exit(4)


def mode_close_early():
    sock.close()
    sleep()


# --------------------------------------------------------------------------------------------- wrong in the middle


def mode_die(how):
    """After it has taken a part of the input."""
    stream = request()
    accept(stream)
    wait_for(DATA)
    print("going down", file=sys.stderr, flush=True)
    die(how)


def mode_die_answering(how):
    """After a part of the result."""
    stream = request()
    respond(stream)
    send(DATA, stream, b"half a result\n")
    time.sleep(0.1)
    die(how)


def mode_die_final(how):
    """After it has said that its effects may be lasting, and the whole result, but not its end."""
    stream = request()
    respond(stream)
    send(DATA, stream, b"the result\n", flags=FLUSH)
    wait_for(CREDIT)
    send(PROGRESS, stream, struct.pack("<QQ", 1, 1) + string("rows") + string("committing"), flags=FINAL)
    time.sleep(0.1)
    die(how)


def mode_die_final_chatty(how):
    """The same, and a thousand lines for the log, all in one write."""
    stream = request()
    respond(stream)
    text = struct.pack("<B3xI", 2, 0) + string("one more line")
    final = frame(PROGRESS, stream, struct.pack("<QQ", 1, 1) + string("rows") + string("committing"), flags=FINAL)
    sock.sendall(final + frame(LOG, stream, text) * 1000)
    time.sleep(0.1)
    die(how)


def mode_giant():
    stream = request()
    respond(stream)
    sock.sendall(frame(DATA, stream, b"x" * 100, length=0xFFFF_FFFF))
    sleep()


def mode_text_later():
    request()
    sock.sendall(b"Segmentation fault (core dumped), or so it seems\n" * 10)
    sleep()


def mode_half_frame(how):
    """Stops in the middle of a frame: dies, or lives on in silence (`live`)."""
    stream = request()
    respond(stream)
    sock.sendall(frame(DATA, stream, b"x" * 1000, length=5000))
    if how == "live":
        sleep()
    time.sleep(0.1)
    die(how)


def mode_inflate(declared):
    """A chunk of 1,000 bytes that declares another length."""
    stream = request()
    respond(stream, codec=1, digest=1)
    raw = b"railway station " * 62 + b"railways"
    send(DATA, stream, struct.pack("<I", int(declared)) + zlib.compress(raw), flags=COMPRESSED)
    end(stream, int(declared), 1, zlib.crc32(raw))
    serve_nothing()


def mode_broken_zlib():
    stream = request()
    respond(stream, codec=1)
    send(DATA, stream, struct.pack("<I", 1000) + b"this is not a zlib stream", flags=COMPRESSED)
    serve_nothing()


def mode_bad_digest():
    stream = request()
    respond(stream, digest=1)
    send(DATA, stream, b"something\n")
    end(stream, 10, 1, 0x12345678)
    serve_nothing()


def mode_bad_total():
    stream = request()
    respond(stream)
    send(DATA, stream, b"something\n")
    end(stream, 11)
    serve_nothing()


def mode_too_much():
    """More than was asked for."""
    stream = request()
    respond(stream)
    while True:
        send(DATA, stream, b"x" * 200_000)


def mode_unasked():
    """A result that nobody has accepted yet."""
    stream = request()
    offer = struct.pack("<QBBBBI", UNKNOWN, 0, 0, 0, 0, 0) + struct.pack("<H", 0)
    # In one write: with a pause between the two it might have been accepted by then.
    sock.sendall(frame(RESPONSE, stream, offer) + frame(DATA, stream, b"here it is anyway\n"))
    serve_nothing()


def mode_other_stream():
    request()
    send(PROGRESS, 4711, struct.pack("<QQ", 1, 1) + string("rows") + string(""))
    serve_nothing()


def mode_unknown_frame():
    request()
    send(0x7F, 0, b"?")
    serve_nothing()


def mode_oom():
    stream = request()
    accept(stream)
    wait_for(DATA)
    held = []
    while True:
        held.append(b"\xff" * (1 << 20))


def mode_stop():
    """Stopped, as by somebody's kill -STOP."""
    request()
    os.kill(os.getpid(), signal.SIGSTOP)
    serve_nothing()


def mode_never_read():
    stream = request()
    accept(stream)
    sleep()


def mode_never_answer():
    stream = request()
    accept(stream)
    serve_nothing()


def mode_ignore_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    mode_never_answer()


def mode_cancel(reason):
    """Confirms a cancellation, as it should, and says so."""
    stream = request()
    accept(stream)
    print("working", file=sys.stderr, flush=True)
    wait_for(RESET)
    print("cancelled in order", file=sys.stderr, flush=True)
    send(ERROR, stream, struct.pack("<HH", 0x0100, 0) + string(reason))
    leave()


def mode_grandchild(session, how):
    """Leaves a process behind that holds its descriptors; then dies, or answers and leaves in order (`answer`)."""
    stream = request()
    leave_grandchild(session)
    if how != "answer":
        die(how)
    answer(stream)
    leave()


def mode_flood():
    """Standard error, without end to speak of."""
    request()
    line = b"the same complaint over and over again, and nobody listens to it\n" * 1000
    for _ in range(200):
        os.write(2, line)
    os.write(2, b"the very last words\n")
    os._exit(9)


def mode_stdout():
    stream = request()
    print("I print to standard output", flush=True)
    answer(stream)
    leave()


def mode_error_while_reading():
    """Takes some of the input, then says why it wants no more, and goes, with the rest unread."""
    stream = request()
    accept(stream)
    wait_for(DATA)
    send(ERROR, stream, struct.pack("<HH", BAD_DATA, 65) + string("line 3: this is no station"))
    sock.close()
    os._exit(1)


def mode_error_and_linger():
    """The same, but without closing: it answers what still comes, and leaves in order."""
    stream = request()
    accept(stream)
    wait_for(DATA)
    send(ERROR, stream, struct.pack("<HH", BAD_DATA, 65) + string("line 3: this is no station"))
    leave()


def mode_error_with_escapes():
    stream = request()
    send(ERROR, stream, struct.pack("<HH", BAD_DATA, 65) + string("\x1b[2J\x1b]0;owned\x07 gone\nipc-parent: all is well"))
    leave()


def mode_close():
    """Closes its socket but lives."""
    request()
    sock.close()
    sleep()


def mode_close_writing():
    """Sends no more, but lives and reads."""
    request()
    sock.shutdown(socket.SHUT_WR)
    sleep()


def mode_end_early(code):
    request()
    os._exit(int(code))


def mode_answer_and(how):
    """A whole result, and then a bad end."""
    stream = request()
    answer(stream)
    if how == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep()
    time.sleep(0.1)
    die(how)


def mode_log_flood():
    stream = request()
    respond(stream, 0)
    text = struct.pack("<B3xI", 2, 0) + string("the same news over and over again")
    data = b"".join(frame(LOG, stream, text) for _ in range(1000))
    for _ in range(100):
        sock.sendall(data)
    end(stream, 0)
    leave()


def mode_ping_flood():
    """Pings and reads none of the answers, so that no more can be sent."""
    request()
    value = 0
    while True:
        sock.sendall(b"".join(frame(PING, 0, struct.pack("<Q", value + more)) for more in range(1000)))
        value += 1000


# ------------------------------------------------------------------------------------ the ways to die, at their moments


def half_a_frame(stream):
    sock.sendall(frame(DATA, stream, b"x" * 100, length=500))
    os._exit(0)


def close_and_live(_):
    sock.close()
    sleep()


def speak_garbage(_):
    sock.sendall(b"this is not a frame, and was never meant to be one. \xff" * 10)
    sleep()


def eat_memory(_):
    held = []
    while True:
        held.append(b"\xff" * (1 << 20))


def be_signalled(_):
    """The test sends the signal when it reads this."""
    print(f"ready to be signalled: {os.getpid()}", file=sys.stderr, flush=True)
    sleep()


def flood(_):
    line = b"the same complaint over and over again, and nobody listens to it\n" * 1000
    for _ in range(50):
        os.write(2, line)


def ignore_sigterm(_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep()


WAYS = {
    "exit0": lambda _: os._exit(0),
    "exit3": lambda _: os._exit(3),
    "segv": lambda _: die("signal:SEGV"),
    "kill": be_signalled,
    "stop": be_signalled,
    "oom": eat_memory,
    "close": close_and_live,
    "garbage": speak_garbage,
    "half": half_a_frame,
    "flood": flood,
    "silent": lambda _: sleep(),
    "ignoreTerm": ignore_sigterm,
    "grandchild": lambda _: leave_grandchild("setsid"),
}


def mode_matrix(way, moment, flag, delay="0"):
    """Goes wrong in this way at this moment, `delay` microseconds late, once: only the worker that makes the file `flag`.

    All others answer every call with "answer!", once its body has been read.
    """

    def at(now, stream=0):
        nonlocal is_harmful
        if is_harmful and now == moment:
            is_harmful = False
            time.sleep(int(delay) / 1e6)
            WAYS[way](stream)

    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL, 0o600))
        is_harmful = True
    except FileExistsError:
        is_harmful = False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGUSR1, lambda *_: at("idle"))
    at("starting")
    hello()
    wait_for(WELCOME)
    send(READY, 0)
    while True:
        kind, stream, _ = wait_for(REQUEST, DATA, END, DRAIN)
        if kind == REQUEST:
            accept(stream)
        elif kind == DATA:
            at("reading", stream)
        elif kind == END:
            at("working", stream)
            respond(stream, 7)
            send(DATA, stream, b"ans")
            at("sending", stream)
            send(DATA, stream, b"wer")
            sock.sendall(frame(DATA, stream, b"!") + frame(END, stream, struct.pack("<QB3xI", 7, 0, 0)))
            at("answered", stream)
        else:
            at("draining")
            send(BYE, 0)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65_536):
                pass
            sys.exit(0)


def main():
    global sock
    mode, *arguments = sys.argv[1:]
    note_pid()
    sock = socket.socket(fileno=int(os.environ["IPCFRAME_FD"]))
    globals()["mode_" + mode.replace("-", "_")](*arguments)


if __name__ == "__main__":
    main()
