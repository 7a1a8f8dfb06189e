// SPDX-License-Identifier: Apache-2.0

/// Doubly linked lists that share one store of nodes.
///
/// Appending, prepending and removing anywhere take constant time, and no memory once the store has grown. A node's
/// number belongs to whoever put the value in; using it after its removal, or with another list, is an error.
struct LinkedLists<Value: Sendable>: Sendable {
    /// One of the lists.
    struct List: Sendable {
        fileprivate var first = none
        fileprivate var last = none
        fileprivate(set) var count = 0

        var isEmpty: Bool { count == 0 }
    }

    private struct Node: Sendable {
        var value: Value
        var previous: Int
        var next: Int
    }

    private var nodes: [Node] = []
    /// The first of the nodes that are free, which hang together by `next`.
    private var free = none

    /// Puts a value at the end of a list; returns its node.
    mutating func append(_ value: Value, to list: inout List) -> Int {
        let node = take(Node(value: value, previous: list.last, next: none))
        if list.last == none { list.first = node } else { nodes[list.last].next = node }
        list.last = node
        list.count += 1
        return node
    }

    /// Puts a value at the beginning of a list; returns its node.
    mutating func prepend(_ value: Value, to list: inout List) -> Int {
        let node = take(Node(value: value, previous: none, next: list.first))
        if list.first == none { list.last = node } else { nodes[list.first].previous = node }
        list.first = node
        list.count += 1
        return node
    }

    /// Takes a node out of its list.
    mutating func remove(_ node: Int, from list: inout List) {
        precondition(list.count > 0, "a node is removed from the list that it is in")
        let (previous, next) = (nodes[node].previous, nodes[node].next)
        if previous == none { list.first = next } else { nodes[previous].next = next }
        if next == none { list.last = previous } else { nodes[next].previous = previous }
        list.count -= 1
        nodes[node].next = free
        free = node
    }

    /// The first node of a list, with its value.
    func first(of list: List) -> (node: Int, value: Value)? {
        list.first == none ? nil : (list.first, nodes[list.first].value)
    }

    private mutating func take(_ node: Node) -> Int {
        guard free != none else {
            nodes.append(node)
            return nodes.count - 1
        }
        let index = free
        free = nodes[index].next
        nodes[index] = node
        return index
    }
}

/// The number of no node.
private let none = -1
