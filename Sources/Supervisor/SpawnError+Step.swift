// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import IPCFrame

extension SpawnError {
    /// Words the failure that a child reported at `step`, before its program ran.
    init(_ request: SpawnRequest, path: String, step: CInt, errno number: CInt) {
        func error(_ code: SpawnError.Code, _ call: String, _ detail: String) -> SpawnError {
            SpawnError(
                code,
                program: request.program,
                detail: detail,
                cause: SystemError(call: call, errno: number)
            )
        }
        switch clinux_spawn_step(rawValue: UInt32(step)) {
        case CLINUX_STEP_EXEC:
            switch number {
            case ENOEXEC:
                self = error(.notExecutable, "execve", "\(path) is no program that this system can run")
            case ENOENT:
                self = error(.notExecutable, "execve", "the interpreter or loader that \(path) names does not exist")
            case EACCES, EPERM, ETXTBSY, EISDIR, ELIBBAD, ELOOP:
                self = error(.notExecutable, "execve", "\(path) may not be executed")
            case E2BIG:
                self = error(.invalidArgument, "execve", "its arguments and environment are too large")
            default:
                self = error(.system, "execve", "\(path) could not be executed")
            }
        case CLINUX_STEP_DIRECTORY:
            self = error(
                .workingDirectory,
                "chdir",
                "its directory '\(request.workingDirectory ?? "")' cannot be entered"
            )
        case CLINUX_STEP_NICE:
            self = error(.notPermitted, "setpriority", "nice \(request.nice) cannot be set")
        case CLINUX_STEP_RLIMIT:
            self = error(.notPermitted, "prlimit", "a resource limit cannot be set")
        case CLINUX_STEP_CREDENTIALS:
            self = error(.notPermitted, "setresuid", "the user cannot be changed")
        case CLINUX_STEP_PRIVILEGES:
            self = error(.notPermitted, "prctl", "it cannot be kept from gaining privileges")
        case CLINUX_STEP_CGROUP:
            self = error(.notPermitted, "write", "it cannot join its control group")
        case CLINUX_STEP_PARENT:
            self = error(.system, "prctl", "its parent was gone before it ran")
        case CLINUX_STEP_DESCRIPTORS:
            self = error(.system, "dup3", "its descriptors cannot be set up")
        default:
            self = error(.system, "clone", "the system would not make another process")
        }
    }
}
