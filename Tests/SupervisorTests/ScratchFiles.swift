// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame

@testable import ipc_parent

/// A directory that is gone when the test is over.
final class ScratchFiles: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/ipcframe-test-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard unsafe mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        // Tests make files and flat directories only.
        for name in entries {
            for inner in Self.entries(of: path + "/" + name) { unsafe Glibc.remove(path + "/" + name + "/" + inner) }
            unsafe Glibc.remove(path + "/" + name)
        }
        unsafe rmdir(path)
    }

    var entries: [String] { Self.entries(of: path) }

    private static func entries(of path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    @discardableResult
    func file(_ name: String, _ text: String, mode: mode_t = 0o644) throws -> String {
        let file = path + "/" + name
        try File.open(file, O_WRONLY | O_CREAT | O_TRUNC, mode: mode).withRawValue { fd in
            _ = try File.write(fd, Array(text.utf8), from: 0)
            fchmod(fd, mode)
        }
        return file
    }

    func text(_ name: String) throws -> String {
        try File.open(path + "/" + name, O_RDONLY).withRawValue { fd in
            String(decoding: try File.read(fd, upTo: 1 << 20), as: UTF8.self)
        }
    }

    func link(_ name: String, to target: String) { unsafe symlink(target, path + "/" + name) }
}

/// Both ends of a pipe.
struct Pipe {
    let reader: CInt
    let writer: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        try File.retrying("pipe") { unsafe pipe(&ends) }
        (reader, writer) = (ends[0], ends[1])
    }
}
