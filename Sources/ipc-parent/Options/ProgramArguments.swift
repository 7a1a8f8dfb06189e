// SPDX-License-Identifier: Apache-2.0

/// What follows `--` in the arguments of `map`, apart from the rest.
///
/// The argument parser takes one list without names a command; `map` has two, its files and the job's arguments.
struct ProgramArguments: Equatable {
    /// What comes before `--`, or all of another command's arguments.
    let others: [String]
    /// What comes after it.
    let program: [String]

    /// Splits all arguments, without the program's own name.
    init(splitting arguments: [String]) {
        guard arguments.first == "map", let dashes = arguments.firstIndex(of: "--") else {
            others = arguments
            program = []
            return
        }
        others = Array(arguments[..<dashes])
        program = Array(arguments[(dashes + 1)...])
    }
}
