#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker for IPCFrame in one file of standard-library Python, written from docs/PROTOCOL.md alone.

It is started by a parent that put its socket's number into IPCFRAME_FD. Read it beside PROTOCOL.md when you write a
worker in another language: the sections are named where they are obeyed. Methods: see METHODS at the end.

Threads: the main thread reads frames and changes states; one thread writes; each call's method has a thread of its
own, so that PING is answered and RESET obeyed while methods work. All state is guarded by one lock.
"""

import collections
import os
import resource
import socket
import struct
import sys
import threading
import time
import traceback
import zlib

# Section 2.1: types and flags.
HELLO, WELCOME, REJECT, READY = 0x01, 0x02, 0x03, 0x04
REQUEST, RESPONSE, ACCEPT, REFUSE, DATA, CREDIT, END, ERROR, RESET, STOP = range(0x10, 0x1A)
PROGRESS, LOG = 0x20, 0x21
PING, PONG, DRAIN, BYE = 0x30, 0x31, 0x32, 0x33
ARENA = 0x40
CONNECTION_TYPES = {HELLO, WELCOME, REJECT, READY, PING, PONG, DRAIN, BYE, ARENA}
STREAM_TYPES = {REQUEST, RESPONSE, ACCEPT, REFUSE, DATA, CREDIT, END, ERROR, RESET, STOP, PROGRESS, LOG}
COMPRESSED, FLUSH, IN_ARENA, AS_FILE = 1, 2, 4, 8
RETRYABLE = FINAL = 1
HOLD = 1
WHOLE_FEATURE = 4
ALL_ONES = 2**64 - 1

# Section 15.
MALFORMED, UNEXPECTED, TOO_LARGE, UNKNOWN_FRAME, BAD_STREAM, CREDIT_EXCEEDED, BAD_DESCRIPTORS = range(1, 8)
LIMIT_REJECTED, PEER_NOT_READING = 0x0009, 0x000A
CANCELLED, STOPPED, DRAINING, TOO_MANY_STREAMS = 0x0100, 0x0101, 0x0102, 0x0103
DIGEST_MISMATCH, CORRUPT_CHUNK, DEADLINE_EXCEEDED = 0x0106, 0x0107, 0x010A
FAILED, UNKNOWN_METHOD, BAD_ARGUMENT, INTERNAL = 0x0200, 0x0201, 0x0202, 0x0206

# Section 3.
MAX_CHUNK, MAX_STREAMS, INITIAL_CREDIT = 262_144, 128, 65_536
MAX_HANDSHAKE_PAYLOAD, MAX_ARGUMENTS, MAX_CONTROL = 4_096, 65_536, 262_144
RECEIVE_BUDGET = 16_777_216
WAITING_CHUNKS = 2  # of one stream, in the queue of the writer
MAX_WHOLE = 4_096  # bytes of a response body that goes with its RESPONSE (section 7.5)


class Violation(Exception):
    """The parent broke the rules: told by ERROR on stream 0, then the connection is closed (section 13)."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


class Failure(Exception):
    """A call fails; its method may raise it. Becomes ERROR."""

    def __init__(self, code, reason, exit_code=0, retryable=False):
        super().__init__(reason)
        self.code, self.exit_code, self.retryable = code, exit_code, retryable


class CallOver(Exception):
    """The call ended under its method's hands: nothing is left to be sent."""


# ---------------------------------------------------------------------------------------------- section 4: encodings


def string(text):
    data = text.encode()
    return struct.pack("<H", len(data)) + data


def tlv(tag, value):
    return struct.pack("<HI", tag, len(value)) + value


def offer(size, codec, digest):
    return struct.pack("<QBBBBI", ALL_ONES if size is None else size, codec, 0, digest, 0, 0)


def arguments(pairs):
    data = struct.pack("<H", len(pairs))
    for key, value in pairs:
        data += string(key) + struct.pack("<I", len(value)) + value
    return data


Offer = collections.namedtuple("Offer", "size codec digest hold")


class Payload:
    """Reads a payload from its beginning; whatever is missing or left over is malformedFrame."""

    def __init__(self, data):
        self.data, self.offset = data, 0

    def take(self, count):
        if len(self.data) - self.offset < count:
            raise Violation(MALFORMED, "the payload is shorter than its layout")
        self.offset += count
        return self.data[self.offset - count : self.offset]

    def numbers(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def zeros(self, count):
        if any(self.take(count)):
            raise Violation(MALFORMED, "a reserved byte is not 0")

    def string(self):
        return self.text(self.take(self.numbers("H")[0]))

    @staticmethod
    def text(data):
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Violation(MALFORMED, "a string is not UTF-8") from None

    def tlvs(self, once=()):
        """All TLVs to the end; those with a tag in `once` may come once."""
        found = []
        while self.offset < len(self.data):
            tag, length = self.numbers("HI")
            if tag in once and any(tag == other for other, _ in found):
                raise Violation(MALFORMED, f"the tag {tag} is there twice")
            found.append((tag, self.take(length)))
        return found

    def arguments(self):
        pairs = []
        for _ in range(self.numbers("H")[0]):
            key = self.string()
            pairs.append((key, self.take(self.numbers("I")[0])))
        return pairs

    def offer(self, codecs, digests):
        size, codec, delivery, digest, flags = self.numbers("QBBBB")
        self.zeros(4)
        if not (codec < 32 and codecs >> codec & 1 and digest < 32 and digests >> digest & 1 and delivery == 0):
            raise Violation(MALFORMED, "the offer names what is not in force")
        return Offer(None if size == ALL_ONES else size, codec, digest, bool(flags & HOLD))

    def end(self):
        if self.offset != len(self.data):
            raise Violation(MALFORMED, "the payload is longer than its layout")


def resource_tlvs():
    """peakRSS and cpuTime (section 4), for END and BYE."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss * 1024
    cpu = int((usage.ru_utime + usage.ru_stime) * 1_000_000)
    return tlv(0x0020, struct.pack("<Q", peak)) + tlv(0x0021, struct.pack("<Q", cpu))


# ---------------------------------------------------------------------------------------------- one call


class Call:
    """One call, as its answerer sees it; what a method is given.

    `receive` and `send` are the states of table 14.3. Fields are guarded by the connection's lock.
    """

    def __init__(self, connection, stream, method, pairs, deadline, offered):
        self.connection, self.stream, self.method, self.arguments = connection, stream, method, pairs
        self.ends_at = None if deadline is None else time.monotonic() + deadline / 1000
        self.changed = threading.Condition(connection.lock)
        self.cancelled = False
        # The request body.
        self.offer = offered
        self.at_once = self.is_at_once(offered)
        self.receive = "receiving" if self.at_once else "offered"
        self.received = self.consumed = 0
        self.limit = offered.size if self.at_once else 0
        self.chunks = collections.deque()  # (flags, payload), as they came
        self.crc = 0
        self.end = None  # (digest value) once END has come
        # The response body.
        self.response = None
        self.head = b""  # RESPONSE that waits for its whole body
        self.whole = None
        self.send = "idle"
        self.sent = self.send_limit = self.taken = 0
        self.send_crc = 0
        self.out = collections.deque()  # frames that wait for the writer

    def is_at_once(self, offered):
        """Section 7.1."""
        small = offered.size is not None and offered.size <= self.connection.initial_credit
        return small and not offered.hold

    def argument(self, key, default=None):
        for name, value in self.arguments:
            if name == key:
                return value.decode()
        if default is None:
            raise Failure(BAD_ARGUMENT, f"the argument '{key}' is missing", exit_code=64)
        return default

    def number(self, key, default=None):
        try:
            return int(self.argument(key, default))
        except ValueError:
            raise Failure(BAD_ARGUMENT, f"the argument '{key}' is not a number", exit_code=64) from None

    def check(self):
        """With the lock held: is there still somebody who waits for this call?"""
        if self.send == "ended":
            raise CallOver
        if self.cancelled:
            raise Failure(CANCELLED, "cancelled")
        if self.ends_at is not None and time.monotonic() >= self.ends_at:
            raise Failure(DEADLINE_EXCEEDED, "the call's deadline has passed")

    def wait(self):
        """With the lock held: until something changes."""
        self.check()
        self.changed.wait(None if self.ends_at is None else max(0, self.ends_at - time.monotonic()))
        self.check()

    def sleep(self, seconds):
        until = time.monotonic() + seconds
        with self.connection.lock:
            self.check()
            while time.monotonic() < until:
                self.changed.wait(max(0, min(until, self.ends_at or until) - time.monotonic()))
                self.check()

    # ---- the request body

    def accept(self):
        """Section 7.2: as many bodies at once as the budget has windows."""
        connection = self.connection
        with connection.lock:
            while self.receive == "offered" and connection.accepted * connection.window >= RECEIVE_BUDGET:
                self.wait()
            self.check()
            if self.receive != "offered":
                return
            connection.accepted += 1
            self.receive = "receiving"
            self.limit = self.goal()
            connection.control(ACCEPT, self.stream, struct.pack("<QB7x", self.limit, 0))

    def goal(self):
        reach = self.consumed + self.connection.window
        return reach if self.offer.size is None else min(reach, self.offer.size)

    def read(self):
        """The next bytes of the request body; None when it is complete and its digest is right."""
        self.accept()
        connection = self.connection
        with connection.lock:
            self.check()
            while not self.chunks and self.end is None:
                self.wait()
            if not self.chunks:
                return self.complete()
            flags, payload = self.chunks.popleft()
        data = self.inflate(payload) if flags & COMPRESSED else payload
        self.crc = zlib.crc32(data, self.crc)
        with connection.lock:
            self.consumed += len(data)
            self.grant(flags & FLUSH)
        return data

    @staticmethod
    def inflate(payload):
        """Section 8: into exactly rawLength bytes, whatever the stream holds."""
        (length,) = struct.unpack_from("<I", payload)
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(payload[4:], length)
            # Full or not, what is left must be the end of the stream and nothing else.
            rest = inflater.decompress(inflater.unconsumed_tail, 1)
        except zlib.error as error:
            raise Failure(CORRUPT_CHUNK, f"a chunk is damaged: {error}", exit_code=65) from None
        if len(data) != length or rest or not inflater.eof or inflater.unused_data:
            raise Failure(CORRUPT_CHUNK, f"a chunk does not inflate to exactly {length} bytes", exit_code=65)
        return data

    def grant(self, flush):
        """With the lock held. Section 7.2: CREDIT by half windows, and at FLUSH."""
        if self.at_once and flush:
            self.connection.control(CREDIT, self.stream, struct.pack("<QQ", self.consumed, self.limit))
        if self.receive != "receiving" or self.at_once:
            return
        goal = self.goal()
        if flush or goal - self.limit >= self.connection.window // 2 or goal > self.limit == self.consumed:
            self.limit = max(self.limit, goal)
            self.connection.control(CREDIT, self.stream, struct.pack("<QQ", self.consumed, self.limit))

    def complete(self):
        """With the lock held: END has come, and everything was read."""
        if self.receive == "taking":
            if self.offer.digest == 1 and self.end != self.crc:
                raise Failure(DIGEST_MISMATCH, "the digest of the request body is wrong", exit_code=65)
            self.receive = "ended"
            if not self.at_once:
                self.connection.release()
                self.connection.control(CREDIT, self.stream, struct.pack("<QQ", self.consumed, self.limit))
        return None

    # ---- the response body

    def respond(self, size, codec=0, digest=0, pairs=()):
        connection = self.connection
        with connection.lock:
            self.check()
            codec = codec if connection.codecs >> codec & 1 else 0
            digest = digest if connection.digests >> digest & 1 else 0
            self.response = Offer(size, codec, digest, False)
            at_once = self.is_at_once(self.response)
            head = offer(size, codec, digest) + arguments(pairs)
            # The trailer, which is short, must fit in beside the rest.
            if connection.whole and at_once and size <= MAX_WHOLE and len(head) + size <= MAX_ARGUMENTS - 4_096:
                self.head, self.whole = head, b""
                return
            self.send = "sending" if at_once else "offered"
            self.send_limit = size if at_once else 0
            connection.queue(self, RESPONSE, head)

    def write(self, data):
        """Sends bytes of the response body, as the receiver's credit allows."""
        connection, offset = self.connection, 0
        if self.whole is not None:
            self.whole += data
            return
        while offset < len(data):
            with connection.lock:
                self.check()
                while self.send == "offered" or self.sent == self.send_limit or self.waiting_data() >= WAITING_CHUNKS:
                    self.wait()
                count = min(len(data) - offset, self.send_limit - self.sent, connection.max_chunk)
                self.sent += count
            raw = data[offset : offset + count]
            self.send_crc = zlib.crc32(raw, self.send_crc)
            flags, payload = 0, raw
            if self.response.codec == 1:
                packed = struct.pack("<I", count) + zlib.compress(raw, 1)
                if len(packed) <= count * 0.95:
                    flags, payload = COMPRESSED, packed
            with connection.lock:
                self.check()
                connection.queue(self, DATA, payload, flags)
            offset += count

    def waiting_data(self):
        return sum(1 for kind, _ in self.out if kind == DATA)

    def finish(self, counts=(), values=()):
        """END with the trailer. The call is over; whatever of its request still comes is dropped."""
        connection = self.connection
        with connection.lock:
            while self.send == "offered":
                self.wait()
            self.check()
            trailer = resource_tlvs()
            for name, count in counts:
                trailer += tlv(0x0023, string(name) + struct.pack("<Q", count))
            for name, value in values:
                trailer += tlv(0x0024, string(name) + value)
            digest = self.response.digest
            if self.whole is not None:
                value = tlv(0x0026, struct.pack("<I", zlib.crc32(self.whole))) if digest == 1 else b""
                connection.queue(self, RESPONSE, self.head + tlv(0x0025, self.whole) + value + trailer)
                self.send = "ended"
                return self.answered()
            value = self.send_crc if digest == 1 else 0
            connection.queue(self, END, struct.pack("<QB3xI", self.sent, digest, value) + trailer)
            self.send = "ended" if self.is_at_once(self.response) else "untaken"
            self.answered()

    def fail(self, failure):
        """ERROR instead of RESPONSE or END; DATA that still waits is not worth sending."""
        connection = self.connection
        with connection.lock:
            if self.send in ("untaken", "ended"):
                return self.answered()
            self.out = collections.deque(frame for frame in self.out if frame[0] != DATA)
            payload = struct.pack("<HH", failure.code, failure.exit_code) + string(str(failure)[:16_000])
            connection.queue(self, ERROR, payload, RETRYABLE if failure.retryable else 0)
            self.send = "ended"
            self.answered()

    def answered(self):
        """With the lock held. Section 7.3: the end of the call implies STOP of its request body."""
        self.chunks.clear()
        if self.receive in ("receiving", "taking") and not self.at_once:
            self.connection.release()
        if self.receive in ("offered", "receiving"):
            self.receive = "discarding"
        elif self.receive == "taking":
            self.receive = "ended"
        self.connection.forget_if_over(self)

    # ---- reports

    def progress(self, completed, total, unit, text="", counts=(), final=False):
        payload = struct.pack("<QQ", completed, ALL_ONES if total is None else total) + string(unit) + string(text)
        for name, count in counts:
            payload += tlv(0x0023, string(name) + struct.pack("<Q", count))
        with self.connection.lock:
            self.check()
            if self.out and self.out[-1][0] == PROGRESS:  # the newest wins
                self.out.pop()
            self.connection.queue(self, PROGRESS, payload, FINAL if final else 0)

    def log(self, level, text):
        with self.connection.lock:
            self.check()
            self.connection.queue(self, LOG, struct.pack("<B3xI", level, 0) + string(text[:16_000]))


# ---------------------------------------------------------------------------------------------- the connection


class Connection:
    def __init__(self, descriptor, name):
        os.set_inheritable(descriptor, False)
        self.socket = socket.socket(fileno=descriptor)
        self.name = name
        self.lock = threading.RLock()
        self.writable = threading.Condition(self.lock)
        self.state = "awaitingWelcome"
        self.max_chunk, self.max_streams, self.initial_credit = MAX_CHUNK, MAX_STREAMS, INITIAL_CREDIT
        self.codecs = self.digests = 3
        self.whole = False  # the feature of section 7.5
        self.window = 4 * MAX_CHUNK
        self.accepted = 0  # bodies that hold a window of the receive budget
        self.calls = {}
        self.highest = 0
        self.draining = self.bye_received = self.bye_sent = False
        self.overtaking = collections.deque()
        self.overtaking_bytes = 0
        self.pong = None
        self.turns = collections.deque()  # calls with waiting frames, the next to be served first
        self.last_word = False  # ERROR on stream 0 is or was queued: nothing comes after it
        self.broken = False  # a write failed, or the last frame is written
        self.writing = False
        self.received = bytearray()

    # ---- writing (section 12)

    def frame(self, kind, stream, payload, flags=0):
        return struct.pack("<IBBBBQ", len(payload), kind, flags, 0, 0, stream) + payload

    def control(self, kind, stream=0, payload=b""):
        """With the lock held: a frame that overtakes those of streams."""
        if self.last_word:
            return
        data = self.frame(kind, stream, payload)
        self.overtaking.append(data)
        self.overtaking_bytes += len(data)
        if self.overtaking_bytes > MAX_CONTROL:
            raise Violation(PEER_NOT_READING, "the parent does not read")
        self.writable.notify()

    def queue(self, call, kind, payload, flags=0):
        """With the lock held: a frame in the order of its stream; streams take turns."""
        if self.last_word:
            return
        if not call.out:
            self.turns.append(call)
        call.out.append((kind, self.frame(kind, call.stream, payload, flags)))
        self.writable.notify()

    def next_frame(self):
        """With the lock held."""
        if self.pong is not None:
            value, self.pong = self.pong, None
            return self.frame(PONG, 0, struct.pack("<Q", value))
        if self.overtaking:
            data = self.overtaking.popleft()
            self.overtaking_bytes -= len(data)
            return data
        while self.turns:
            call = self.turns.popleft()
            if not call.out:
                continue
            _, data = call.out.popleft()
            if call.out:
                self.turns.append(call)
            call.changed.notify_all()
            self.forget_if_over(call)
            return data
        return None

    def write_frames(self):
        """The writer's thread: until BYE has been written, or writing fails."""
        while True:
            with self.lock:
                data = None if self.broken else self.next_frame()
                while data is None and not self.broken:
                    if (self.draining or self.bye_received) and not (self.calls or self.bye_sent or self.last_word):
                        self.bye_sent = True  # section 13
                        data = self.frame(BYE, 0, resource_tlvs())
                        break
                    self.writing = False
                    self.writable.notify_all()
                    self.writable.wait()
                    data = self.next_frame()
                if self.broken:
                    return
                self.writing = True
            try:
                self.socket.sendall(data)
                if data[4] == BYE:
                    self.socket.shutdown(socket.SHUT_WR)
            except OSError:  # only writing ends: the connection is read to its end (section 12)
                data = None
            if data is None or data[4] == BYE:
                with self.lock:
                    self.broken, self.writing = True, False
                    self.writable.notify_all()
                return

    def say_last(self, violation):
        """ERROR on stream 0, after the frame that is being written, and nothing else."""
        payload = struct.pack("<HH", violation.code, 0) + string(str(violation)[:500])
        with self.lock:
            self.overtaking.clear()
            self.overtaking_bytes = 0
            self.pong = None
            self.turns.clear()
            self.calls.clear()
            if not (self.broken or self.bye_sent or self.last_word):
                self.overtaking.append(self.frame(ERROR, 0, payload))
                self.last_word = True
                self.writable.notify_all()
                until = time.monotonic() + 1
                while (self.overtaking or self.writing) and not self.broken and time.monotonic() < until:
                    self.writable.wait(until - time.monotonic())
            self.broken = True
        # Also wakes the main thread, if it is not the one that is here.
        self.socket.shutdown(socket.SHUT_RDWR)

    # ---- reading

    def fill(self, count):
        """Reads until `count` bytes are there; False at the end of file."""
        while len(self.received) < count:
            try:
                # Section 11: descriptors are looked for wherever a header may be touched, and none belong here.
                data, extra, _, _ = self.socket.recvmsg(65_536, socket.CMSG_SPACE(8 * 4), socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:
                return False
            for level, kind, content in extra:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    for (descriptor,) in struct.iter_unpack("i", content[: len(content) // 4 * 4]):
                        os.close(descriptor)
                    raise Violation(BAD_DESCRIPTORS, "descriptors came that no frame of version 1 may carry")
            if not data:
                return False
            self.received += data
        return True

    def take(self, count):
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    def read_frame(self):
        """The next frame, or None at the end of file."""
        if not self.fill(16):
            return None
        length, kind, flags, descriptors, zero, stream = struct.unpack("<IBBBBQ", self.take(16))
        handshake = self.state == "awaitingWelcome"
        limit = MAX_HANDSHAKE_PAYLOAD if handshake else max(self.max_chunk, 65_536) + 1_024
        if length > limit:
            raise Violation(TOO_LARGE, f"a frame of type {kind:#04x} declares {length} bytes (limit {limit})")
        if zero:
            raise Violation(MALFORMED, "byte 7 of the header is not 0")
        if descriptors:
            raise Violation(BAD_DESCRIPTORS, f"a frame of type {kind:#04x} announces descriptors")
        if not self.fill(length):
            return None
        return kind, flags, stream, Payload(self.take(length))

    # ---- table 14.1

    def receive(self, kind, flags, stream, payload):
        if kind not in CONNECTION_TYPES and kind not in STREAM_TYPES:
            if kind & 0x80:
                return
            raise Violation(UNKNOWN_FRAME, f"a frame of the unknown type {kind:#04x}")
        if kind in STREAM_TYPES and not (kind == ERROR and stream == 0):
            if self.state != "open":
                raise Violation(UNEXPECTED, f"a frame of type {kind:#04x} in the state {self.state}")
            return self.receive_on_stream(kind, flags, stream, payload)
        if stream != 0:
            raise Violation(BAD_STREAM, f"a frame of type {kind:#04x} names a stream")
        if kind == ERROR and self.state != "closing":
            code, _ = payload.numbers("HH")
            sys.exit(f"{self.name}: the parent ended the connection: code {code:#06x}: {payload.string()}")
        if kind == WELCOME and self.state == "awaitingWelcome":
            return self.receive_welcome(payload)
        if kind == REJECT and self.state == "awaitingWelcome":
            payload.numbers("HHHQ")
            print(f"{self.name}: rejected by the parent: {payload.string()}", file=sys.stderr)
            sys.exit(78)
        if self.state in ("preparing", "open"):
            if kind in (PING, PONG, DRAIN):
                (value,) = payload.numbers("Q")
                payload.end()
                if kind == PING:
                    self.pong = value  # the newest answers all before it
                elif kind == DRAIN:
                    self.draining = True
                self.writable.notify()
                return
            if kind == BYE:
                for tag, value in payload.tlvs(once=(0x20, 0x21)):
                    if tag in (0x20, 0x21):
                        self.check_trailer(tag, Payload(value))
                self.receive_bye()
                return
        raise Violation(UNEXPECTED, f"a frame of type {kind:#04x} in the state {self.state}")

    def receive_welcome(self, payload):
        """Section 5. The values must lie in their ranges, and not above what HELLO had stated."""
        (version,) = payload.numbers("H")
        limits = {1: MAX_CHUNK, 2: MAX_STREAMS, 3: INITIAL_CREDIT, 4: 3, 5: 3}
        features = 0
        for tag, value in payload.tlvs(once=range(1, 9)):
            if tag in limits or tag == 8:
                (limits[tag],) = Payload(value).numbers("I")
            elif tag == 6:
                (features,) = Payload(value).numbers("Q")
            elif tag == 7:
                if len(value) > 256:
                    raise Violation(MALFORMED, "a name of more than 256 bytes")
                Payload.text(value)
        good = version == 1 and 4_096 <= limits[1] <= MAX_CHUNK and 1 <= limits[2] <= MAX_STREAMS
        good = good and features & ~WHOLE_FEATURE == 0
        if not good or limits[3] > INITIAL_CREDIT or limits[4] & ~3 or limits[5] & ~3:
            raise Violation(LIMIT_REJECTED, "WELCOME states what HELLO had not offered")
        self.max_chunk, self.max_streams, self.initial_credit = limits[1], limits[2], limits[3]
        self.codecs, self.digests = limits[4] | 1, limits[5] | 1
        self.whole = features == WHOLE_FEATURE
        self.window = 4 * self.max_chunk
        self.state = "open"  # "preparing" takes this worker no time
        self.control(READY)

    def receive_bye(self):
        """What still waits for the parent will not get it; BYE is answered when all is done."""
        self.state, self.bye_received = "closing", True
        for call in list(self.calls.values()):
            call.cancelled = True
            call.send = call.receive = "ended"
            call.out.clear()
            call.changed.notify_all()
            self.forget_if_over(call)
        self.writable.notify()

    # ---- tables 14.2 and 14.3

    def receive_on_stream(self, kind, flags, stream, payload):
        if stream == 0:
            raise Violation(BAD_STREAM, f"a frame of type {kind:#04x} on stream 0")
        if kind == REQUEST:
            if stream % 2 == 0 or stream <= self.highest:
                raise Violation(BAD_STREAM, f"{stream} is not the next id of the parent")
            return self.receive_request(stream, payload)
        if stream % 2 == 0 or stream > self.highest:  # this worker opens no calls
            raise Violation(BAD_STREAM, f"the call {stream} was never opened")
        call = self.calls.get(stream)
        if call is None:
            return  # forgotten
        handler = {ACCEPT: self.accepted_by_peer, CREDIT: self.credit, STOP: self.stop, REFUSE: self.refuse,
                   DATA: self.data, END: self.end, RESET: self.reset}.get(kind)
        if handler is None:
            raise Violation(UNEXPECTED, f"a frame of type {kind:#04x} from the opener")
        handler(call, flags, payload)
        call.changed.notify_all()
        self.forget_if_over(call)

    def receive_request(self, stream, payload):
        if len(payload.data) > MAX_ARGUMENTS:
            raise Violation(TOO_LARGE, f"a REQUEST of {len(payload.data)} bytes (limit {MAX_ARGUMENTS})")
        (deadline,) = payload.numbers("Q")
        offered = payload.offer(self.codecs, self.digests)
        method = payload.string()
        if not 1 <= len(method.encode()) <= 256:
            raise Violation(MALFORMED, "the method's name has no or too many bytes")
        pairs = payload.arguments()
        whole = self.whole_body(payload, offered)
        if self.draining:
            raise Violation(UNEXPECTED, "REQUEST after DRAIN")
        self.highest = stream
        if len(self.calls) >= self.max_streams:
            reason = f"{self.max_streams} calls are open already"
            return self.control(REFUSE, stream, struct.pack("<HQ", TOO_MANY_STREAMS, self.max_streams) + string(reason))
        call = Call(self, stream, method, pairs, None if deadline == ALL_ONES else deadline, offered)
        if whole is not None:
            body, value = whole
            call.received = len(body)
            call.chunks.extend([(0, body)] if body else [])
            call.receive, call.end = "taking", value
        self.calls[stream] = call
        threading.Thread(target=run_method, args=(call,), daemon=True).start()

    def whole_body(self, payload, offered):
        """Section 7.5: the body and its digest's value, if they come with the frame."""
        body, value = None, 0
        for tag, content in payload.tlvs(once=(0x20, 0x21, 0x22, 0x25, 0x26)):
            self.check_trailer(tag, Payload(content))
            if tag == 0x25:
                body = bytes(content)
            elif tag == 0x26:
                (value,) = Payload(content).numbers("I")
        if body is None or not self.whole:
            return None
        if offered.hold or offered.size != len(body) or len(body) > self.initial_credit:
            raise Violation(MALFORMED, "a body comes with a frame that does not offer it so")
        return body, value

    def expect(self, state, *allowed):
        if state not in allowed:
            raise Violation(UNEXPECTED, f"not allowed in the state {state}")

    def accepted_by_peer(self, call, flags, payload):
        limit, delivery = payload.numbers("QB")
        payload.zeros(7)
        payload.end()
        self.expect(call.send, "offered", "ended")
        if delivery != 0:
            raise Violation(MALFORMED, "a delivery that was not offered")
        if call.send == "offered":
            call.send, call.send_limit = "sending", limit

    def credit(self, call, flags, payload):
        consumed, limit = payload.numbers("QQ")
        payload.end()
        self.expect(call.send, "sending", "untaken", "ended")
        if call.send == "ended":
            return
        if consumed > call.sent:
            raise Violation(MALFORMED, "more is said to be consumed than was sent")
        call.taken = max(call.taken, consumed)
        call.send_limit = max(call.send_limit, limit)
        if call.send == "untaken" and call.taken == call.sent:
            call.send = "ended"

    def stop(self, call, flags, payload):
        payload.numbers("H")
        payload.string()
        payload.end()
        self.expect(call.send, "offered", "sending", "untaken", "ended")
        if call.send in ("offered", "sending"):
            call.out.clear()
            self.control(RESET, call.stream, struct.pack("<H", STOPPED) + string(""))
            if call.receive == "taking":  # section 7.3: a whole request is no reason to count the call any longer
                self.end_request(call)
        call.send = "ended"

    def refuse(self, call, flags, payload):
        payload.numbers("HQ")
        payload.string()
        payload.end()
        self.expect(call.send, "offered", "sending", "untaken", "ended")
        self.end_request(call)
        call.send = "ended"
        call.out.clear()

    def data(self, call, flags, payload):
        if call.receive == "discarding":
            return
        self.expect(call.receive, "receiving")
        if flags & (IN_ARENA | AS_FILE):
            raise Violation(UNEXPECTED, "a delivery that is not in force")
        count = len(payload.data)
        if flags & COMPRESSED:
            if call.offer.codec != 1:
                raise Violation(MALFORMED, "a compressed chunk of a body that was offered without")
            (count,) = payload.numbers("I")
            if count == 0 or len(payload.data) == 4:
                raise Violation(MALFORMED, "a compressed chunk of no bytes")
        elif count == 0 and not flags & FLUSH:
            raise Violation(MALFORMED, "a chunk of no bytes without FLUSH")
        if count > self.max_chunk:
            raise Violation(TOO_LARGE, f"a chunk of {count} bytes (limit {self.max_chunk})")
        if call.received + count > call.limit:
            raise Violation(CREDIT_EXCEEDED, f"a chunk passes the limit {call.limit}")
        call.received += count
        call.chunks.append((flags, payload.data))

    def end(self, call, flags, payload):
        total, digest = payload.numbers("QB")
        payload.zeros(3)
        (value,) = payload.numbers("I")
        trailer = payload.tlvs(once=(0x20, 0x21, 0x22))
        for tag, content in trailer:
            self.check_trailer(tag, Payload(content))
        if call.receive == "discarding":
            call.receive = "ended"
            return
        self.expect(call.receive, "receiving")
        if total != call.received or call.offer.size not in (None, total):
            raise Violation(MALFORMED, "END's total is not what came, or not what was offered")
        if digest != call.offer.digest:
            raise Violation(MALFORMED, "END has another digest than the offer")
        call.receive, call.end = "taking", value

    @staticmethod
    def check_trailer(tag, value):
        """This worker has no use for an opener's trailer; its layout must be right all the same."""
        if tag in (0x20, 0x21):
            value.numbers("Q")
        elif tag == 0x22:
            value.numbers("I")
        elif tag == 0x23:
            value.string()
            value.numbers("Q")
        elif tag == 0x24:
            value.string()

    def reset(self, call, flags, payload):
        (code,) = payload.numbers("H")
        payload.string()
        payload.end()
        stopped = call.receive == "discarding" and code == STOPPED
        self.end_request(call)
        if not stopped:  # cancelled
            call.cancelled = True
            if call.send == "untaken":
                call.send = "ended"

    def end_request(self, call):
        if call.receive in ("receiving", "taking") and not call.at_once:
            self.release()
        call.receive = "ended"
        call.chunks.clear()

    def release(self):
        """With the lock held: a body gives its window back; others may wait for it."""
        self.accepted -= 1
        for call in self.calls.values():
            call.changed.notify_all()

    def forget_if_over(self, call):
        """With the lock held. Section 7.4."""
        if call.send == call.receive == "ended" and not call.out and self.calls.get(call.stream) is call:
            del self.calls[call.stream]
            self.writable.notify()

    # ---- the whole

    def run(self):
        hello = bytes.fromhex("FF 49 50 43 46 0D 0A 00") + struct.pack("<HH", 1, 1)
        for tag, value in ((1, MAX_CHUNK), (2, MAX_STREAMS), (3, INITIAL_CREDIT), (4, 3), (5, 3), (8, os.getpid())):
            hello += tlv(tag, struct.pack("<I", value))
        hello += tlv(6, struct.pack("<Q", WHOLE_FEATURE)) + tlv(7, self.name.encode()) + tlv(0xFF01, b"means nothing")
        with self.lock:
            self.control(HELLO, 0, hello)
        writer = threading.Thread(target=self.write_frames, daemon=True)
        writer.start()
        try:
            while True:
                frame = self.read_frame()
                if frame is None:
                    break
                with self.lock:
                    self.receive(*frame)
        except Violation as violation:
            self.say_last(violation)
            sys.exit(f"{self.name}: {violation}")
        if self.bye_received:  # the parent's half is closed; ours still owes BYE
            writer.join()
        sys.exit(0 if self.bye_received else f"{self.name}: the parent is gone")


def run_method(call):
    try:
        method = METHODS.get(call.method)
        if method is None:
            raise Failure(UNKNOWN_METHOD, f"there is no method '{call.method}'", exit_code=64)
        method(call)
    except Failure as failure:
        call.fail(failure)
    except CallOver:
        call.fail(Failure(CANCELLED, "the call is over"))
    except Violation as violation:  # the queue of overtaking frames is full
        call.connection.say_last(violation)
    except Exception as error:  # a fault of this program fails the call, not the worker
        traceback.print_exc()
        call.fail(Failure(INTERNAL, f"{type(error).__name__}: {error}", exit_code=70))


# ---------------------------------------------------------------------------------------------- methods


def echo(call):
    """Arguments and body come back as they are, in the same coding."""
    call.respond(call.offer.size, call.offer.codec, call.offer.digest, call.arguments)
    while (data := call.read()) is not None:
        call.write(data)
    call.finish()


def digest(call):
    """Counts the body's bytes and computes their CRC-32."""
    count = 0
    while (data := call.read()) is not None:
        count += len(data)
    call.respond(0, pairs=[("bytes", str(count).encode()), ("crc32", f"{call.crc:08x}".encode())])
    call.finish(counts=[("bytes", count)])


def fail(call):
    """Fails: arguments code, exitCode, reason, retryable."""
    raise Failure(call.number("code", str(FAILED)), call.argument("reason", "as asked for"),
                  call.number("exitCode", "1"), call.argument("retryable", "no") == "yes")


def sleep(call):
    """Sleeps for `milliseconds`, unless it is cancelled; `in-c` is not interrupted."""
    seconds = call.number("milliseconds") / 1000
    if call.argument("in-c", "no") == "yes":
        time.sleep(seconds)
    else:
        call.sleep(seconds)
    call.respond(0)
    call.finish()


def count(call):
    """Counts `to` rows and tells of each: PROGRESS, a LOG line, counts in the trailer."""
    to = call.number("to")
    call.log(2, f"counting to {to}")
    for number in range(1, to + 1):
        call.progress(number, to, "rows", f"row {number}", [("seen", number)], final=number == to)
        call.sleep(call.number("pause", "0") / 1000)
    call.respond(0)
    call.finish(counts=[("rows", to)], values=[("note", b"done")])


def fill(call):
    """A response of `bytes` zeros; of unknown size if `unknown` is `yes`."""
    left = call.number("bytes")
    call.respond(None if call.argument("unknown", "no") == "yes" else left, call.number("codec", "1"), 1)
    while left:
        piece = min(left, MAX_CHUNK)
        call.write(bytes(piece))
        left -= piece
    call.finish()


METHODS = {"echo": echo, "digest": digest, "fail": fail, "sleep": sleep, "count": count, "fill": fill}

if __name__ == "__main__":
    if "IPCFRAME_FD" not in os.environ:
        sys.exit("worker.py: IPCFRAME_FD is not set: this program is started by an IPCFrame parent")
    Connection(int(os.environ["IPCFRAME_FD"]), "worker.py").run()
