// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// All that the kernel is told about a child before it runs.
package struct SpawnRequest: Sendable {
    /// A ceiling that the kernel holds the child to; see `setrlimit`.
    package struct ResourceLimit: Equatable, Sendable {
        package var resource: CInt
        package var soft: UInt64
        package var hard: UInt64

        package init(resource: CInt, soft: UInt64, hard: UInt64) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }

        /// Private writable memory, in bytes.
        package static func data(_ bytes: UInt64) -> ResourceLimit {
            ResourceLimit(resource: CInt(RLIMIT_DATA.rawValue), soft: bytes, hard: bytes)
        }

        /// Size of a core file, in bytes.
        package static func core(_ bytes: UInt64) -> ResourceLimit {
            ResourceLimit(resource: CInt(RLIMIT_CORE.rawValue), soft: bytes, hard: bytes)
        }

        /// Processor time in whole seconds: SIGXCPU at the first, SIGKILL at the second.
        package static func processorTime(_ seconds: UInt64, killingAt last: UInt64) -> ResourceLimit {
            ResourceLimit(resource: CInt(RLIMIT_CPU.rawValue), soft: seconds, hard: last)
        }

        /// The number of open descriptors.
        package static func descriptors(_ count: UInt64) -> ResourceLimit {
            ResourceLimit(resource: CInt(RLIMIT_NOFILE.rawValue), soft: count, hard: count)
        }
    }

    /// A name to search for, or a path.
    package var program: String
    /// Without the program's own name.
    package var arguments: [String] = []
    /// What of the parent's environment the child gets.
    package var inheritedEnvironment = InheritedEnvironment.all
    /// Added to that, or replacing there.
    package var environment: [String: String] = [:]
    package var workingDirectory: String?
    package var nice = 0
    package var limits: [ResourceLimit] = []
    package var user: UInt32?
    package var group: UInt32?
    package var noNewPrivileges = false
    /// The `cgroup.procs` to join, already open for writing.
    package var cgroupDescriptor: CInt = -1

    package init(program: String) { self.program = program }

    /// The child's whole environment, as `NAME=value`.
    func fullEnvironment() -> [String] {
        var additions = environment
        additions["IPCFRAME_FD"] = "3"
        let inherited = Self.parentEnvironment().filter { entry in
            let name = String(Substring(entry.utf8.prefix { $0 != UInt8(ascii: "=") }))
            return additions[name] == nil && inheritedEnvironment.includes(name)
        }
        return inherited + additions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }

    /// What cannot be expressed to the kernel, if anything.
    func firstInvalidPart() -> String? {
        for argument in [program] + arguments where argument.utf8.contains(0) {
            return "an argument contains a zero byte"
        }
        for (name, value) in environment {
            if name.isEmpty || name.contains("=") { return "'\(name)' cannot name an environment variable" }
            if name.utf8.contains(0) || value.utf8.contains(0) {
                return "the environment variable '\(name)' contains a zero byte"
            }
        }
        if workingDirectory?.utf8.contains(0) == true { return "the working directory contains a zero byte" }
        return nil
    }

    private static func parentEnvironment() -> [String] {
        var entries: [String] = []
        // environ is the C library's; like getenv, this must not race with a setenv of the host.
        guard var cursor = unsafe clinux_environment() else { return [] }
        while let entry = unsafe cursor.pointee {
            unsafe entries.append(String(cString: entry))
            unsafe cursor += 1
        }
        return entries
    }
}

/// Lends `strings` as a null-terminated array of C strings.
package func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    // One block for all the bytes, so that there is nothing to free one by one.
    var bytes: [UInt8] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8)
        bytes.append(0)
    }
    return unsafe bytes.withUnsafeMutableBytes { block in
        let characters = unsafe block.bindMemory(to: CChar.self)
        var pointers = unsafe offsets.map { offset in unsafe characters.baseAddress.map { unsafe $0 + offset } }
        unsafe pointers.append(nil)
        return unsafe pointers.withUnsafeBufferPointer { list in
            guard let base = list.baseAddress else { preconditionFailure("the list has at least its terminator") }
            return unsafe body(base)
        }
    }
}
