// SPDX-License-Identifier: Apache-2.0

/// What is done to a call, or to the worker that does it.
enum ChaosHarm: String, CaseIterable {
    // From outside, to any worker.
    case kill, stop, cancel
    // By the worker itself, in the middle of a call.
    case oom, garbage, half, close, exit, crash, hang, fail, flood
    /// By the worker itself, just after its answer.
    case late

    /// Done from outside: works with every worker.
    var isOutside: Bool {
        switch self {
        case .kill, .stop, .cancel: true
        default: false
        }
    }

    /// Whether a call that it is done to may still succeed.
    var sparesTheCall: Bool {
        switch self {
        case .kill, .stop, .cancel, .flood, .late: true
        default: false
        }
    }
}

/// When in a call the worker harms itself.
enum ChaosMoment: String, CaseIterable {
    /// Before anything of the body has been read.
    case before
    /// With half of the body read.
    case reading
    /// With the whole body read, and nothing answered.
    case working
    /// With half of the answer written.
    case writing
}
