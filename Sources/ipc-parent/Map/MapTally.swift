// SPDX-License-Identifier: Apache-2.0

/// How many files ended how.
struct MapTally: Equatable, Sendable {
    /// The most failures that an exit code tells apart.
    private static let mostCounted = 100

    var succeeded = 0
    var failed = 0
    /// Begun, and given up since all was stopped.
    var cancelled = 0
    var notRun = 0

    /// Files that were begun and have ended.
    var ended: Int { succeeded + failed + cancelled }

    /// The number of failures, as far as an exit code can tell it.
    var exitCode: Int32 { Int32(min(failed, Self.mostCounted + 1)) }
}
