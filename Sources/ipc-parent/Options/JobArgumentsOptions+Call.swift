// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

extension JobArgumentsOptions {
    /// Arguments without names travel as arguments with this key, in their order.
    private static let positionalKey = "argv"

    /// What the job is called with: the named arguments, then those without names.
    func all(and positional: [String]) -> [Argument] {
        arguments.map { Argument($0.key, $0.value) } + positional.map { Argument(Self.positionalKey, $0) }
    }
}
