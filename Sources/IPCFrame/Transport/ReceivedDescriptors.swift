// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// A descriptor that came with a frame, or goes with one; closed when nobody holds it any more.
final class PassedDescriptor: Sendable {
    private let descriptor: OwnedDescriptor

    init(adopting rawValue: CInt) {
        descriptor = OwnedDescriptor(adopting: rawValue)
    }

    func withRawValue<Result>(_ body: (CInt) -> Result) -> Result { descriptor.withRawValue(body) }
}

/// Descriptors that came beside the bytes, in a queue from which each header's count takes (PROTOCOL.md §11).
///
/// The kernel ends a read behind the bytes that descriptors were sent with. So a descriptor belongs to a frame that
/// begins before the end of the read that brought it: when all such headers are known, it is known whether one
/// announced it.
struct ReceivedDescriptors {
    private var waiting: [(descriptor: PassedDescriptor, end: UInt64)] = []
    /// Those of the newest frame.
    private var claimed: [PassedDescriptor] = []
    /// The kernel had to drop some: this process can have no more.
    private(set) var wereLost = false

    /// Takes what a read brought; the read ended at the stream's offset `end`.
    mutating func arrive(_ received: clinux_received, before end: UInt64) {
        if received.truncated != 0 { wereLost = true }
        let fds = received.fds
        let all = [fds.0, fds.1, fds.2, fds.3, fds.4, fds.5, fds.6, fds.7]
        for descriptor in all.prefix(Int(received.count)) {
            waiting.append((PassedDescriptor(adopting: descriptor), end))
        }
    }

    /// The frame with this header begins at `start`, and the next one at `next`.
    mutating func claim(for header: FrameHeader, from start: UInt64, to next: UInt64) throws(ProtocolViolation) {
        claimed.removeAll()
        guard !waiting.isEmpty else { return }
        try check(before: start)
        let count = min(Int(header.descriptors), waiting.count)
        claimed = waiting[..<count].map(\.descriptor)
        waiting.removeFirst(count)
        try check(before: next)
    }

    /// Descriptors that came before `offset` and are still here were never announced.
    func check(before offset: UInt64) throws(ProtocolViolation) {
        guard let first = waiting.first, first.end <= offset else { return }
        throw ProtocolViolation(.badDescriptors, detail: "descriptors that no header announced")
    }

    /// The next descriptor of the newest frame; nil when it has none, or they did not arrive.
    mutating func take() -> PassedDescriptor? {
        claimed.isEmpty ? nil : claimed.removeFirst()
    }

    /// What nobody has taken of the newest frame's is closed.
    mutating func closeRest() { claimed.removeAll() }

    mutating func removeAll() {
        waiting.removeAll()
        claimed.removeAll()
    }
}
