// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// The input of a job: a file, or a stream such as a pipe, a terminal or a device.
///
/// Nothing is read before the first ``read(upTo:)``. A regular file on standard input begins where the shell left its
/// offset; the offset is only moved once the job has used the input up, so a job that wants none leaves a shell loop's
/// input alone.
final class InputSource: JobInput {
    private enum Origin {
        /// A regular file of known size: read by offset, the descriptor's own position untouched.
        case file(start: Int64, count: UInt64, isShared: Bool)
        /// Anything that can only be read on.
        case stream
    }

    /// What to call it in messages.
    let name: String
    /// Nothing to offer: standard input is closed.
    let isAbsent: Bool

    private let origin: Origin
    private let distrustsEnd: @Sendable () -> Bool
    private let readiness: Readiness
    private let state: Mutex<State>

    private struct State {
        var fd: CInt
        var ownsDescriptor: Bool
        var position: UInt64 = 0
        /// A stream's end was read together with its last bytes.
        var isAtEnd = false
    }

    /// Opens an input: a path, or `-` for standard input.
    ///
    /// `distrustsEnd` is asked when a stream has ended: if it is true the end counts as an interruption.
    /// `standardInput` is descriptor 0, or another in its place; `nil` when it was closed.
    static func open(
        _ specification: String,
        standardInput: CInt? = STDIN_FILENO,
        distrustsEnd: @escaping @Sendable () -> Bool = { false }
    ) throws(JobBodyError) -> InputSource {
        let isStandard = specification == "-"
        let name = isStandard ? "standard input" : "'\(specification)'"
        do throws(SystemError) {
            if isStandard {
                return try InputSource(name: name, adopting: standardInput, isShared: true, distrustsEnd)
            }
            if let number = OutputDestination.descriptorNumber(specification) { try File.requireInherited(number) }
            // Non-blocking is only the opening of a FIFO whose writer is late: this description is ours alone.
            let descriptor = try File.open(specification, O_RDONLY | O_NOCTTY | O_NONBLOCK)
            return try InputSource(name: name, adopting: descriptor.release(), isShared: false, distrustsEnd)
        } catch {
            throw .input("cannot read \(name): \(error.reason)")
        }
    }

    private init(
        name: String,
        adopting fd: CInt?,
        isShared: Bool,
        _ distrustsEnd: @escaping @Sendable () -> Bool
    ) throws(SystemError) {
        var origin = Origin.stream
        if let fd {
            let status = try File.status(of: fd)
            if status.kind == .directory { throw SystemError(call: "read", errno: EISDIR) }
            // A size of 0 may be true, or that of a file under /proc, which has one only when it is read.
            if status.kind == .regular, status.byteCount > 0 {
                let start = isShared ? try File.seek(fd, to: 0, from: SEEK_CUR) : 0
                let rest = Int64(clamping: status.byteCount) - start
                origin = .file(start: start, count: UInt64(max(0, rest)), isShared: isShared)
            }
        }
        self.name = name
        self.origin = origin
        self.distrustsEnd = distrustsEnd
        isAbsent = fd == nil
        readiness = try Readiness()
        state = Mutex(State(fd: fd ?? -1, ownsDescriptor: !isShared && fd != nil))
    }

    deinit {
        state.withLock { state in
            if state.ownsDescriptor { _ = OwnedDescriptor(adopting: state.fd) }
        }
    }

    var byteCount: UInt64? {
        if isAbsent { return 0 }
        if case .file(_, let count, _) = origin { return count }
        return nil
    }

    /// True for what can be read again from its beginning.
    var isRewindable: Bool {
        if case .file = origin { true } else { isAbsent }
    }

    var file: JobInputFile? {
        guard case .file(let start, let count, _) = origin, count > 0 else { return nil }
        return JobInputFile(descriptor: state.withLock { $0.fd }, offset: UInt64(start))
    }

    func passed(_ count: UInt64) { state.withLock { $0.position = count } }

    func read(upTo count: Int) throws(JobBodyError) -> [UInt8] {
        switch origin {
        case .file(let start, let total, _): try readFile(start: start, total: total, upTo: count)
        case .stream: isAbsent ? [] : try readStream(upTo: count)
        }
    }

    private func readFile(start: Int64, total: UInt64, upTo count: Int) throws(JobBodyError) -> [UInt8] {
        let (fd, position) = state.withLock { ($0.fd, $0.position) }
        let wanted = Int(min(UInt64(count), total - position))
        guard wanted > 0 else { return [] }
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try File.read(fd, upTo: wanted, at: start + Int64(position))
        } catch {
            throw failure(error)
        }
        guard !bytes.isEmpty else {
            throw .input(
                "cannot read \(name): it ended after \(position) of \(total) bytes, cut short while it was read"
            )
        }
        state.withLock { $0.position += UInt64(bytes.count) }
        return bytes
    }

    private func readStream(upTo count: Int) throws(JobBodyError) -> [UInt8] {
        let (fd, isAtEnd) = state.withLock { ($0.fd, $0.isAtEnd) }
        while true {
            do throws(SystemError) {
                var bytes: [UInt8] = []
                if !isAtEnd {
                    guard try readiness.wait(for: fd, POLLIN) else { break }
                    bytes = try File.read(fd, upTo: count)
                }
                if bytes.isEmpty, distrustsEnd() { break }
                gather(&bytes, upTo: count, from: fd)
                state.withLock { $0.position += UInt64(bytes.count) }
                return bytes
            } catch {
                // Somebody else who shares the descriptor was faster.
                if error.errno != EAGAIN { throw failure(error) }
            }
        }
        throw .interrupted
    }

    /// Adds what is there already, without waiting: a pipe holds 64 KiB, and a fast writer fills it again meanwhile.
    private func gather(_ bytes: inout [UInt8], upTo count: Int, from fd: CInt) {
        while !bytes.isEmpty, bytes.count < count, readiness.hasInput(fd) {
            // An error comes again with the next read, which tells it.
            guard let more = try? File.read(fd, upTo: count - bytes.count) else { return }
            if more.isEmpty {
                state.withLock { $0.isAtEnd = true }
                return
            }
            bytes += more
        }
    }

    private func failure(_ error: SystemError) -> JobBodyError { .input("cannot read \(name): \(error.reason)") }

    func rewind() throws(JobBodyError) {
        resume()
        let position = state.withLock { $0.position }
        guard position > 0 else { return }
        guard isRewindable else { throw .input("cannot read \(name) a second time") }
        state.withLock { $0.position = 0 }
    }

    func finish() {
        guard case .file(let start, _, isShared: true) = origin else { return }
        let (fd, position) = state.withLock { ($0.fd, $0.position) }
        // What the job has used is gone for the next reader, as if it had been read in the ordinary way.
        _ = try? File.seek(fd, to: start + Int64(clamping: position), from: SEEK_SET)
    }

    func interrupt() { readiness.interrupt() }

    /// Takes an interruption back; reading goes on where it was.
    func resume() { readiness.reset() }
}
