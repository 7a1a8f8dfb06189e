// SPDX-License-Identifier: Apache-2.0

/// Something for each open call, by the call's number.
///
/// The newest is kept apart and found without hashing: where one call is made after the other, it is the only one.
struct CallTable<Value> {
    private var newest: (id: UInt64, value: Value)?
    /// All but the newest.
    private var others: [UInt64: Value] = [:]

    var count: Int { others.count + (newest == nil ? 0 : 1) }
    var isEmpty: Bool { newest == nil && others.isEmpty }

    subscript(id: UInt64) -> Value? {
        get {
            if let newest, newest.id == id { return newest.value }
            return others.isEmpty ? nil : others[id]
        }
        set {
            guard let newValue else {
                removeValue(forKey: id)
                return
            }
            if let newest, newest.id != id { others[newest.id] = newest.value }
            if !others.isEmpty { others[id] = nil }
            newest = (id, newValue)
        }
    }

    @discardableResult
    mutating func removeValue(forKey id: UInt64) -> Value? {
        if let (newest, value) = newest, newest == id {
            self.newest = nil
            return value
        }
        return others.isEmpty ? nil : others.removeValue(forKey: id)
    }

    mutating func removeAll() { self = CallTable() }

    /// All of them, by their calls' numbers.
    var values: [Value] {
        var all = others
        if let newest { all[newest.id] = newest.value }
        return all.sorted { $0.key < $1.key }.map { $0.value }
    }
}
