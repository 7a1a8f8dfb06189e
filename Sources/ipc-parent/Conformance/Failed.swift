// SPDX-License-Identifier: Apache-2.0

/// Why a case does not hold.
struct Failed: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Throws with `text` unless `condition` holds.
func check(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw Failed(text()) }
}
