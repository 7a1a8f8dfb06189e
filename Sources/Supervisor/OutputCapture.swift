// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame

/// Reads what a worker prints: the last 64 KiB are kept, all of it is cut into lines.
///
/// Lives on the reactor's thread.
final class OutputCapture {
    /// What one turn of the reactor spends on one worker's output, at most.
    static let turnLimit = 64 * 1024

    /// How a turn ended.
    enum Turn: Equatable {
        /// All that was there has been read.
        case empty
        /// There may be more.
        case more
        /// Nobody can write any more.
        case ended
    }

    private(set) var tail = TailBuffer()
    private var splitter = LineSplitter()
    private let wantsLines: Bool
    private var descriptor: OwnedDescriptor?
    // Not zeroed: of a worker that prints nothing it is never touched, and takes no memory.
    private var buffer = unsafe [UInt8](unsafeUninitializedCapacity: 16 * 1024) { $1 = $0.count }

    init(_ descriptor: consuming OwnedDescriptor, wantsLines: Bool) {
        self.descriptor = consume descriptor
        self.wantsLines = wantsLines
    }

    /// The number to watch; nil once closed.
    var rawDescriptor: CInt? {
        guard descriptor != nil else { return nil }
        return descriptor?.withRawValue { $0 }
    }

    /// Reads for at most one turn.
    func read(limit: Int = OutputCapture.turnLimit, lines: inout [String]) -> Turn {
        guard let number = rawDescriptor else { return .ended }
        var total = 0
        while total < limit {
            // Read into an array of the length that is passed.
            let count = unsafe Glibc.read(number, &buffer, buffer.count)
            if count == 0 { return .ended }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN ? .empty : .ended
            }
            total += count
            tail.append(buffer[..<count])
            if wantsLines { lines += splitter.feed(buffer[..<count]) }
        }
        return .more
    }

    /// Closes, and returns the last line if it was not ended.
    func close() -> String? {
        descriptor = nil
        return splitter.finish()
    }
}
