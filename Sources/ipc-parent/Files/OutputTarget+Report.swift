// SPDX-License-Identifier: Apache-2.0
internal import Supervisor

extension OutputTarget {
    /// Puts a report in its place, as a whole; returns `code`, or says why there is none, and what to exit with then.
    func write(report json: String, otherwise code: Int32, console: Console) -> Int32 {
        do throws(JobBodyError) {
            try write(Array(json.utf8))
            try place()
            return code
        } catch {
            abandon()
            console.failure("the report is missing: \(error)")
            return code == 0 ? SupervisorExitCode.cannotCreate : code
        }
    }
}
