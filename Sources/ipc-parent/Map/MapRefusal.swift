// SPDX-License-Identifier: Apache-2.0

/// Why nothing was begun.
struct MapRefusal: Error, Equatable {
    /// What the command exits with.
    let exitCode: Int32
    /// What is wrong; a sentence without its full stop.
    let text: String
}
