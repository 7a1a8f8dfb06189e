// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor
internal import Synchronization

/// Where a result goes: a file that appears as a whole or not at all, or something that is written as it comes.
final class OutputTarget: JobOutput {
    private enum Way {
        case replacing(path: String, present: File.Status?, TemporaryFile)
        case immediate
    }

    private struct State {
        /// -1: not opened yet, or closed.
        var fd: CInt
        var ownsDescriptor: Bool
        /// Opened at the first byte, since opening a FIFO waits for its reader.
        var unopened: OutputDestination?
        var isRegular = false
        var hasWritten = false
    }

    /// What to call it in messages.
    let name: String
    private let isStandard: Bool
    private let way: Way
    private let readiness: Readiness
    private let state: Mutex<State>

    /// Prepares an output: a path, or `-` for standard output.
    ///
    /// `standardOutput` is descriptor 1, or another in its place; `nil` when it was closed.
    static func open(_ specification: String, standardOutput: CInt? = STDOUT_FILENO) throws(JobBodyError)
        -> OutputTarget
    {
        let isStandard = specification == "-"
        let name = isStandard ? "standard output" : "'\(specification)'"
        do throws(SystemError) {
            if isStandard { return try OutputTarget(name: name, lent: standardOutput) }
            return try OutputTarget(name: name, destination: OutputDestination(resolving: specification))
        } catch {
            throw .output("cannot write \(name): \(error.reason)")
        }
    }

    private init(name: String, lent fd: CInt?) throws(SystemError) {
        self.name = name
        isStandard = true
        way = .immediate
        readiness = try Readiness()
        var state = State(fd: fd ?? -1, ownsDescriptor: false)
        if let fd { state.isRegular = try File.status(of: fd).kind == .regular }
        self.state = Mutex(state)
    }

    private init(name: String, destination: OutputDestination) throws(SystemError) {
        self.name = name
        readiness = try Readiness()
        switch destination {
        case .descriptor(let number):
            isStandard = number == STDOUT_FILENO
            way = .immediate
            try File.requireInherited(number)
            let fd = try File.retrying("fcntl") { fcntl(number, F_DUPFD_CLOEXEC, 3) }
            let descriptor = OwnedDescriptor(adopting: fd)
            guard fcntl(fd, F_GETFL) & O_ACCMODE != O_RDONLY else { throw SystemError(call: "write", errno: EBADF) }
            let isRegular = try File.status(of: fd).kind == .regular
            state = Mutex(State(fd: descriptor.release(), ownsDescriptor: true, isRegular: isRegular))
        case .file(let path, let present):
            isStandard = false
            let directory = OutputDestination.directory(of: path)
            let file = try TemporaryFile(in: directory, mode: present?.mode ?? 0o666)
            way = .replacing(path: path, present: present, file)
            state = Mutex(State(fd: file.fd, ownsDescriptor: false, isRegular: true))
        case .special(let path):
            isStandard = false
            way = .immediate
            var state = State(fd: -1, ownsDescriptor: true, unopened: destination)
            if try File.status(at: path).kind != .fifo {
                state.fd = try File.open(path, O_WRONLY | O_NOCTTY).release()
                state.unopened = nil
            }
            self.state = Mutex(state)
        case .socket:
            isStandard = false
            way = .immediate
            state = Mutex(State(fd: -1, ownsDescriptor: true, unopened: destination))
        }
    }

    deinit {
        state.withLock { state in
            if state.ownsDescriptor, state.fd >= 0 { _ = OwnedDescriptor(adopting: state.fd) }
        }
    }

    var isImmediate: Bool {
        if case .immediate = way { true } else { false }
    }

    func write(_ bytes: [UInt8]) throws(JobBodyError) {
        let fd = try opened()
        let isRegular = state.withLock { $0.isRegular }
        var offset = 0
        while offset < bytes.count {
            do throws(SystemError) {
                // A regular file is always ready; of anything else poll(2) tells, so that the wait can be ended.
                if !isRegular, try !readiness.wait(for: fd, POLLOUT) { break }
                offset += try File.write(fd, bytes, from: offset)
                state.withLock { $0.hasWritten = true }
            } catch {
                if error.errno == EAGAIN { continue }
                if error.errno == EPIPE, isStandard { throw .readerGone }
                throw failure(error)
            }
        }
        if offset < bytes.count { throw .interrupted }
    }

    func synchronize() throws(JobBodyError) {
        let (fd, isRegular) = state.withLock { ($0.fd, $0.isRegular) }
        guard isRegular, fd >= 0 else { return }
        do throws(SystemError) {
            try File.retrying("fdatasync") { fdatasync(fd) }
        } catch {
            throw failure(error)
        }
    }

    func place() throws(JobBodyError) {
        guard case .replacing(let path, let present, let file) = way else {
            // A reader that waits at a FIFO must see an end, also of nothing.
            if state.withLock({ $0.unopened != nil }) { _ = try opened() }
            return
        }
        do throws(SystemError) {
            if let present {
                // Only root can give a file away; for others it is theirs already, or becomes so.
                _ = fchown(file.fd, present.owner, present.group)
                try File.retrying("fchmod") { fchmod(file.fd, present.mode) }
            }
            try file.rename(to: path)
        } catch {
            throw failure(error)
        }
    }

    func discard() throws(JobBodyError) {
        guard case .replacing(_, _, let file) = way else { return }
        do throws(SystemError) {
            try File.retrying("ftruncate") { ftruncate(file.fd, 0) }
            _ = try File.seek(file.fd, to: 0, from: SEEK_SET)
        } catch {
            throw failure(error)
        }
    }

    /// Leaves nothing behind; for the end of a run that has no result.
    func abandon() {
        if case .replacing(_, _, let file) = way { file.remove() }
    }

    func interrupt() { readiness.interrupt() }

    private func opened() throws(JobBodyError) -> CInt {
        let (fd, unopened) = state.withLock { ($0.fd, $0.unopened) }
        if fd >= 0 { return fd }
        do throws(SystemError) {
            let descriptor: OwnedDescriptor
            switch unopened {
            case .special(let path): descriptor = try File.open(path, O_WRONLY | O_NOCTTY)
            case .socket(let path): descriptor = try File.connect(to: path)
            default: throw SystemError(call: "write", errno: EBADF)
            }
            let opened = descriptor.release()
            state.withLock { state in
                state.fd = opened
                state.unopened = nil
            }
            return opened
        } catch {
            throw failure(error)
        }
    }

    private func failure(_ error: SystemError) -> JobBodyError { .output("cannot write \(name): \(error.reason)") }
}
