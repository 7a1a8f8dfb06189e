// SPDX-License-Identifier: Apache-2.0
internal import Supervisor

extension WorkerConfiguration {
    /// The worker that the options describe; without a program, `ipc-child` beside this one.
    init(
        _ program: WorkerProgramOptions,
        _ patience: WorkerPatienceOptions,
        _ limits: WorkerLimitOptions,
        _ surroundings: WorkerSurroundingsOptions
    ) {
        self.init(executable: program.worker ?? Self.defaultWorker)
        arguments = program.workerArguments
        if !surroundings.inheritedVariables.isEmpty {
            inheritedEnvironment = .only(Set(surroundings.inheritedVariables))
        }
        for variable in surroundings.environment { environment[variable.key] = variable.value }
        workingDirectory = surroundings.workingDirectory
        nice = surroundings.nice
        noNewPrivileges = surroundings.noNewPrivileges
        memoryLimit = limits.memoryLimit?.bytes
        self.limits.cpuTime = limits.cpuLimit.duration
        self.limits.openFiles = limits.openFiles.map(UInt64.init)
        self.limits.coreFileSize = limits.coreLimit?.bytes
        startTimeout = patience.startTimeout.duration ?? startTimeout
        heartbeat = patience.heartbeat.duration
        grace = patience.grace
    }

    /// `ipc-child` beside this program, wherever that was started from.
    private static var defaultWorker: String {
        let own = (try? File.linkTarget(of: "/proc/self/exe")) ?? nil
        return own.map { OutputDestination.directory(of: $0) + "/ipc-child" } ?? "ipc-child"
    }
}
