// SPDX-License-Identifier: Apache-2.0

extension ReactorLoop {
    /// First in, first out, on an array that is reused.
    struct WorkQueue {
        private var items: [Reactor.Work?] = []
        private var head = 0

        var isEmpty: Bool { head == items.count }

        mutating func append(_ work: Reactor.Work) { items.append(work) }

        mutating func append(contentsOf work: [Reactor.Work]) { for item in work { items.append(item) } }

        mutating func popFirst() -> Reactor.Work? {
            guard !isEmpty else { return nil }
            let work = items[head]
            items[head] = nil  // lets go of what a closure holds
            head += 1
            if isEmpty {
                items.removeAll(keepingCapacity: items.capacity <= 1024)
                head = 0
            } else if head >= 1024, head * 2 > items.count {
                items.removeFirst(head)
                head = 0
            }
            return work
        }
    }
}
