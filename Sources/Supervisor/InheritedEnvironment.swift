// SPDX-License-Identifier: Apache-2.0

/// What of its parent's environment a worker gets.
public enum InheritedEnvironment: Equatable, Sendable {
    /// Every variable.
    case all
    /// The variables of these names, as far as the parent has them.
    case only(Set<String>)

    func includes(_ name: String) -> Bool {
        switch self {
        case .all: true
        case .only(let names): names.contains(name)
        }
    }
}
