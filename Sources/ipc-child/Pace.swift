// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// Says when it is time to tell of progress again: ten times a second is enough for anybody.
struct Pace {
    private var next = ContinuousMoment.now

    var isDue: Bool {
        mutating get {
            let now = ContinuousMoment.now
            guard now >= next else { return false }
            next = now + .milliseconds(100)
            return true
        }
    }
}
