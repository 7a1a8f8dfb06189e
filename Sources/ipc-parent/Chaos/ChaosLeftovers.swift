// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Supervisor

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
        found += ProcessTree.children(of: getpid()).map { "child \($0) was not reaped" }
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
        return ProcFile.numbers(in: "/proc", limit: .max).filter { pid in
            guard pid != getpid(), let environment = ProcFile.text("/proc/\(pid)/environ", limit: 1 << 18) else {
                return false
            }
            return environment.utf8.split(separator: 0).contains { $0.elementsEqual(mark) }
        }
    }

    private static func openDescriptors() -> Set<String> {
        Set(
            ProcFile.numbers(in: "/proc/self/fd", limit: .max).compactMap { number in
                guard let target = (try? File.linkTarget(of: "/proc/self/fd/\(number)")) ?? nil else { return nil }
                // The directory that is being read.
                return target.hasSuffix("/fd") ? nil : target
            }
        )
    }

    private static func ownResidentSize() -> UInt64 {
        let words = (ProcFile.text("/proc/self/statm") ?? "").split(separator: " ")
        return words.count > 1 ? (UInt64(words[1]) ?? 0) * UInt64(getpagesize()) : 0
    }
}
