// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import IPCFrame
import Testing

@testable import Supervisor

/// How a child that a test ran to its end went.
struct Finished {
    var output = ""
    var exit = clinux_exit()

    var code: CInt? { exit.is_signal == 0 ? exit.status : nil }
    var signal: CInt? { exit.is_signal != 0 ? exit.status : nil }
}

/// Returns when a descriptor is readable, without holding a thread.
func waitUntilReadable(_ descriptor: CInt) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        Reactor.shared.perform {
            final class Once { var registration: Reactor.Registration? }
            let once = Once()
            do {
                once.registration = try Reactor.shared.register(descriptor, .read) { _ in
                    if let registration = once.registration { Reactor.shared.unregister(registration) }
                    continuation.resume()
                }
            } catch {
                preconditionFailure("\(error)")
            }
        }
    }
}

extension SpawnedChild {
    /// Reads all output, then reaps.
    consuming func finish() async -> Finished {
        let parts = parts()
        var finished = Finished()
        var bytes: [UInt8] = []
        while true {
            await waitUntilReadable(parts.output)
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = unsafe read(parts.output, &buffer, buffer.count)
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        finished.output = String(decoding: bytes, as: UTF8.self)
        await waitUntilReadable(parts.pidfd)
        unsafe precondition(clinux_reap(parts.pidfd, &finished.exit) == 1)
        for descriptor in [parts.output, parts.pidfd, parts.socket] { close(descriptor) }
        return finished
    }
}

/// A request for a shell script.
func shell(_ script: String) -> SpawnRequest {
    var request = SpawnRequest(program: "/bin/sh")
    request.arguments = ["-c", script]
    return request
}

/// Runs a request to its end.
func run(_ request: SpawnRequest) async throws -> Finished {
    try await Spawner.shared.spawn(request).finish()
}

/// The error that a request fails with.
func spawnError(_ request: SpawnRequest) async -> SpawnError? {
    do throws(SpawnError) {
        _ = try await Spawner.shared.spawn(request).finish()
        return nil
    } catch {
        return error
    }
}

/// The numbers of the open descriptors of this process.
func openDescriptors() -> Set<String> { directoryEntries("/proc/self/fd") }

func directoryEntries(_ path: String) -> Set<String> {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: Set<String> = []
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if !name.hasPrefix(".") { names.insert(name) }
    }
    return names
}

/// The whole of a small file, if it can be read.
func contents(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe read(descriptor, &buffer, buffer.count)
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
}

/// State and parent of a process, as in /proc/PID/stat.
func processState(_ pid: Int32) -> (state: Character, parent: Int32)? {
    guard let fields = contents("/proc/\(pid)/stat")?.split(separator: ")").last?.split(separator: " "),
        fields.count > 1, let state = fields[0].first, let parent = Int32(fields[1])
    else { return nil }
    return (state, parent)
}

/// Whether a process runs; a zombie does not.
func isRunning(_ pid: Int32) -> Bool { processState(pid).map { $0.state != "Z" } ?? false }

/// Whether a process is a child of this one, a zombie or not.
func isChildOfOurs(_ pid: Int32) -> Bool { processState(pid)?.parent == getpid() }

/// A directory that is removed with all its files at the end.
final class Scratch {
    let path: String

    init() {
        var template = Array("/tmp/ipcframe-test-XXXXXX".utf8CString)
        unsafe template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, unsafe mkdtemp(base) != nil else { fatalError("mkdtemp") }
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in directoryEntries(path) {
            if unsafe unlink("\(path)/\(name)") != 0 { unsafe rmdir("\(path)/\(name)") }
        }
        unsafe rmdir(path)
    }

    /// Writes a file and returns its path.
    func file(_ name: String, _ content: String, mode: mode_t = 0o755) -> String {
        let full = "\(path)/\(name)"
        let descriptor = unsafe open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        _ = unsafe write(descriptor, content, content.utf8.count)
        close(descriptor)
        return full
    }
}

/// A request for a program that does nothing for long.
var sleeper: SpawnRequest {
    var request = SpawnRequest(program: "/bin/sleep")
    request.arguments = ["1000"]
    return request
}
