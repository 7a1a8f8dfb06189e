// SPDX-License-Identifier: Apache-2.0

// Delivery by descriptor (PROTOCOL.md §10.2): the files themselves are the shell's.
extension ConnectionStateMachine {
    /// Whether bodies may travel as open files.
    package var canPassFiles: Bool { features & Capabilities.descriptor != 0 }

    /// Raw bytes of a file after which its sender is told how far its reader is.
    private static let reportedBytes: UInt64 = 1 << 20

    /// Whether the body that we send may go as a file: it was accepted so, and nothing of it has gone yet.
    package func canSendFile(_ id: UInt64) -> Bool {
        guard let stream = streams[id], stream.send.state == .sending else { return false }
        return stream.send.delivery == .descriptor && stream.send.sent == 0
    }

    /// Queues our whole body as a part of a file; the shell sends the file's descriptor with the frame.
    ///
    /// - Precondition: ``canSendFile(_:)``, and the range has as many bytes as were offered.
    package mutating func send(_ file: FileRange, on id: UInt64) {
        guard canSendFile(id), let stream = streams[id] else { return }
        precondition(stream.send.offer?.size == file.count, "a file must be the whole body")
        stream.send.sent = file.count
        // Credit is for what the receiver must keep in memory; a file is read where it lies.
        stream.send.limit = max(stream.send.limit, file.count)
        let payload = Self.encoded { file.encode(into: &$0) }
        enqueue(OutboundFrame(.data, flags: .file, descriptors: 1, stream: id, payload: payload[...]), on: stream)
    }

    /// A body comes as a file: all of it at once, and it takes no memory.
    mutating func receiveFile(_ file: FileRange, _ chunk: Chunk, _ stream: Stream) throws(ProtocolViolation) {
        guard stream.receive.received == 0 else { throw .malformed("a file behind other chunks of the body") }
        guard stream.receive.offer?.size == file.count else {
            throw .malformed("\(file.count) bytes of a file where \(stream.receive.offer?.size ?? 0) were offered")
        }
        stream.receive.received = file.count
        stream.receive.limit = file.count
        if chunk.isFlush { stream.receive.flushOffset = file.count }
        releaseBudget(stream)
        act(.deliver(stream.id, chunk))
    }

    /// Whether the sender of a file should hear how far its reader is.
    func isFileCreditDue(_ stream: Stream) -> Bool {
        guard stream.receive.delivery == .descriptor, !stream.receive.isBudgeted else { return false }
        // Of the whole body the final CREDIT tells, once its reader has found it right.
        guard stream.receive.consumed < stream.receive.received else { return false }
        return stream.receive.consumed - stream.receive.credited >= Self.reportedBytes
    }
}
