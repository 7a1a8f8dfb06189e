// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame
internal import Supervisor

/// Which file in the output directory each result goes to.
struct OutputPlan {
    private let directory: String

    /// Looks, before anything is begun, whether the results have each a place of their own.
    init(directory: String, files: [String]) throws(MapRefusal) {
        self.directory = directory
        try requireWritable()
        try requireDistinct(files)
        try requireInputsUntouched(files)
    }

    /// Where the result of a file goes.
    func target(of file: String) -> String {
        (directory.hasSuffix("/") ? directory : directory + "/") + Self.name(of: file)
    }

    /// The last component of a path; empty for one that can only be a directory's.
    static func name(of path: String) -> String {
        let name = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[path.utf8.index(after: $0)...] } ?? path[...]
        return name == "." || name == ".." ? "" : String(name)
    }

    private func requireWritable() throws(MapRefusal) {
        do throws(SystemError) {
            guard try File.status(at: directory).kind == .directory else {
                throw SystemError(call: "open", errno: ENOTDIR)
            }
            // Tells more than access(2) does: of read-only file systems, of quotas.
            _ = try TemporaryFile(in: directory, mode: 0o600)
        } catch {
            let text = "cannot write to the directory '\(directory)': \(error.reason)"
            throw MapRefusal(exitCode: SupervisorExitCode.cannotCreate, text: text)
        }
    }

    private func requireDistinct(_ files: [String]) throws(MapRefusal) {
        var owners: [String: String] = [:]
        for file in files where !Self.name(of: file).isEmpty {
            guard let other = owners.updateValue(file, forKey: Self.name(of: file)) else { continue }
            let text = "the results of '\(other)' and '\(file)' would both go to '\(target(of: file))'"
            throw MapRefusal(exitCode: SupervisorExitCode.usage, text: text)
        }
    }

    /// By what they are, not by what they are called: links lead to the same file too.
    private func requireInputsUntouched(_ files: [String]) throws(MapRefusal) {
        var inputs: [File.Status.Identity: String] = [:]
        for file in files {
            if let status = try? File.status(at: file) { inputs[status.identity] = file }
        }
        for file in files where !Self.name(of: file).isEmpty {
            guard let status = try? File.status(at: target(of: file)), let input = inputs[status.identity] else {
                continue
            }
            let text = "the result of '\(file)' would overwrite the input '\(input)'"
            throw MapRefusal(exitCode: SupervisorExitCode.usage, text: text)
        }
    }
}
