// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// A stream that is kept as it is read, so that another attempt can have it from its beginning.
final class SpooledInput: JobInput {
    private struct State {
        /// Where the next read begins, and how much of the stream is on the spool.
        var position: UInt64 = 0
        var spooled: UInt64 = 0
    }

    private let stream: InputSource
    private let spool: TemporaryFile
    private let state = Mutex(State())

    /// Spools `stream` into a file that nobody sees, in `directory`.
    init(_ stream: InputSource, in directory: String) throws(JobBodyError) {
        self.stream = stream
        do throws(SystemError) {
            spool = try TemporaryFile(in: directory, mode: 0o600)
            // Nobody but us is to find it, so its name goes at once.
            spool.remove()
        } catch {
            throw .output("cannot keep the input for another attempt in '\(directory)': \(error.reason)")
        }
    }

    var byteCount: UInt64? { stream.byteCount }

    func read(upTo count: Int) throws(JobBodyError) -> [UInt8] {
        let (position, spooled) = state.withLock { ($0.position, $0.spooled) }
        let bytes: [UInt8]
        if position < spooled {
            let wanted = Int(min(UInt64(count), spooled - position))
            do throws(SystemError) {
                bytes = try File.read(spool.fd, upTo: wanted, at: Int64(position))
            } catch {
                throw .input("cannot read the input that was kept: \(error.reason)")
            }
            guard !bytes.isEmpty else { throw .input("the input that was kept has been cut short") }
        } else {
            bytes = try stream.read(upTo: count)
            try keep(bytes)
            state.withLock { $0.spooled += UInt64(bytes.count) }
        }
        state.withLock { $0.position += UInt64(bytes.count) }
        return bytes
    }

    func rewind() {
        stream.resume()
        state.withLock { $0.position = 0 }
    }

    func finish() { stream.finish() }

    func interrupt() { stream.interrupt() }

    private func keep(_ bytes: [UInt8]) throws(JobBodyError) {
        var offset = 0
        do throws(SystemError) {
            while offset < bytes.count { offset += try File.write(spool.fd, bytes, from: offset) }
        } catch {
            throw .output("cannot keep the input for another attempt: \(error.reason)")
        }
    }
}
