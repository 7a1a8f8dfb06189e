// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import IPCFrame

/// What a run must not leave behind: processes, descriptors, files, memory.
struct ChaosLeftovers {
    /// Marks every process of a run, in its environment.
    static let marker = "IPCFRAME_CHAOS_RUN"

    /// Memory that may be more at the end than at the beginning, in bytes: pools of the allocator, which level off.
    static let memoryTolerance: UInt64 = 64 << 20

    let token: String
    private var descriptors: Set<String>
    private var residentSize: UInt64

    /// Takes note of how it is before the run.
    init(token: String) {
        self.token = token
        descriptors = Self.openDescriptors()
        residentSize = Self.ownResidentSize()
    }

    /// Takes the memory in use now for the base: after some calls, when every pool has been filled once.
    mutating func noteMemory() { residentSize = max(residentSize, Self.ownResidentSize()) }

    /// What is left, in words, one for each thing.
    func find() -> [String] {
        var found = Self.processes(token: token).map { "process \($0) is left" }
        found += Self.children().map { "child \($0) was not reaped" }
        let more = Self.openDescriptors().subtracting(descriptors)
        // Whole kinds may be opened for good at the first use; each is one at most.
        found += more.filter { !$0.hasPrefix("anon_inode:") }.map { "descriptor of \($0) is open" }
        let now = Self.ownResidentSize()
        if now > residentSize + Self.memoryTolerance {
            found.append("memory grew from \(residentSize >> 20) to \(now >> 20) MiB")
        }
        return found
    }

    /// Processes, other than this one, that were started in the run.
    static func processes(token: String) -> [Int32] {
        let mark = Array("\(marker)=\(token)".utf8)
        return numbers(in: "/proc").filter { pid in
            guard pid != getpid() else { return false }
            return read("/proc/\(pid)/environ").split(separator: 0).contains { $0.elementsEqual(mark) }
        }
    }

    /// Children of this process, also those that have ended and were not reaped.
    static func children() -> [Int32] {
        numbers(in: "/proc/self/task").flatMap { thread in
            String(decoding: read("/proc/self/task/\(thread)/children"), as: UTF8.self)
                .split(separator: " ").compactMap { Int32($0) }
        }
    }

    private static func openDescriptors() -> Set<String> {
        Set(
            numbers(in: "/proc/self/fd").compactMap { number in
                guard let target = (try? File.linkTarget(of: "/proc/self/fd/\(number)")) ?? nil else { return nil }
                // The directory that is being read.
                return target.hasSuffix("/fd") ? nil : target
            }
        )
    }

    private static func ownResidentSize() -> UInt64 {
        let words = String(decoding: read("/proc/self/statm"), as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (UInt64(words[1]) ?? 0) * UInt64(getpagesize()) : 0
    }

    private static func numbers(in directory: String) -> [Int32] {
        guard let stream = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(stream) }
        var result: [Int32] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if let number = Int32(name) { result.append(number) }
        }
        return result
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = try? File.open(path, O_RDONLY) else { return [] }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = file.withRawValue { unsafe Glibc.read($0, &buffer, buffer.count) }
            guard count > 0 else { return bytes }
            bytes += buffer.prefix(count)
        }
    }
}
