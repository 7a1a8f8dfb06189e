// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// A result that waits for its turn at standard output: in memory while it is small, else in a file without a name.
final class ResultSpool: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var file: TemporaryFile?
        var count: UInt64 = 0
    }

    private static let pieceBytes = 256 << 10

    private let memory: Int
    private let directory: String
    private let state = Mutex(State())

    /// A spool that keeps up to `memory` bytes in memory, and more in a file in `directory`.
    init(memory: Int, directory: String) {
        self.memory = memory
        self.directory = directory
    }

    /// How many bytes it holds.
    var byteCount: UInt64 { state.withLock { $0.count } }

    /// Whether there is a file.
    var hasFile: Bool { state.withLock { $0.file != nil } }

    func write(_ bytes: [UInt8]) throws(JobBodyError) {
        do throws(SystemError) {
            try state.withLock { state throws(SystemError) in
                state.count += UInt64(bytes.count)
                if state.file == nil, state.count <= UInt64(memory) {
                    state.bytes += bytes
                    return
                }
                let file: TemporaryFile
                if let present = state.file { file = present } else { file = try makeFile() }
                state.file = file
                try Self.append(state.bytes, to: file)
                state.bytes = []
                try Self.append(bytes, to: file)
            }
        } catch {
            throw .output("cannot keep the result in '\(directory)': \(error.reason)")
        }
    }

    /// Forgets everything.
    func discard() { state.withLock { $0 = State() } }

    /// Writes all that it holds; blocks for as long as that takes.
    func copy(to output: any JobOutput) throws(JobBodyError) {
        let (bytes, file, count) = state.withLock { ($0.bytes, $0.file, $0.count) }
        guard let file else { return try output.write(bytes) }
        var offset: UInt64 = 0
        while offset < count {
            let piece: [UInt8]
            do throws(SystemError) {
                let wanted = Int(min(UInt64(Self.pieceBytes), count - offset))
                piece = try File.read(file.fd, upTo: wanted, at: Int64(offset))
            } catch {
                throw .output("cannot read the result that was kept: \(error.reason)")
            }
            guard !piece.isEmpty else { throw .output("the result that was kept has been cut short") }
            try output.write(piece)
            offset += UInt64(piece.count)
        }
    }

    private func makeFile() throws(SystemError) -> TemporaryFile {
        let file = try TemporaryFile(in: directory, mode: 0o600)
        // Nobody but us is to find it, so its name goes at once.
        file.remove()
        return file
    }

    private static func append(_ bytes: [UInt8], to file: TemporaryFile) throws(SystemError) {
        var offset = 0
        while offset < bytes.count { offset += try File.write(file.fd, bytes, from: offset) }
    }
}
