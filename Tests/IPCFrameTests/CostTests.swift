// SPDX-License-Identifier: Apache-2.0
import AllocationCounter
import CLinux
import Testing

@testable import IPCFrame

/// What calls and bodies cost in allocations and system calls, which can be counted where times are noise.
///
/// The bounds are those of a debug build, a little above what was counted; a change that exceeds one should know why.
@Suite struct CostTests {
    /// Two ends, each on a reactor of its own, so that their threads can be told apart.
    private struct Ends {
        let parent: Connection
        let child: Connection
        private let reactors = [Reactor(name: "cost-parent"), Reactor(name: "cost-child")]

        init() async throws {
            var fds: [CInt] = [-1, -1]
            let result = unsafe clinux_socketpair(&fds)
            try #require(result == 0)
            var configuration = ConnectionConfiguration(name: "child")
            configuration.sharesMemory = false
            configuration.handle { call in
                switch call.method {
                case "echo": try await call.respond(try await call.body.collect(upTo: 1 << 20))
                default: for try await _ in call.body {}
                }
            }
            child = Connection(
                adopting: OwnedDescriptor(adopting: fds[1]),
                role: .child,
                reactor: reactors[1],
                configuration: configuration
            )
            parent = Connection(
                adopting: OwnedDescriptor(adopting: fds[0]),
                role: .parent,
                reactor: reactors[0]
            )
            for reactor in reactors { reactor.start() }
            for end in [parent, child] { end.start() }
            _ = try await parent.handshake()
        }

        /// What an end has cost since the last look at it.
        func costs(_ measured: () async throws -> Void) async throws -> (parent: Costs, child: Costs) {
            let before = (await parent.costs, await child.costs)
            try await measured()
            return (await parent.costs - before.0, await child.costs - before.1)
        }

        func close() async {
            await parent.drain()
            #expect(await parent.closed() == .orderly)
            #expect(await child.closed() == .orderly)
            for reactor in reactors { reactor.stop() }
        }
    }

    private static func call(_ parent: Connection, _ method: String, _ body: OutboundBody) async throws {
        var options = CallOptions()
        options.codec = .none
        options.digest = .none
        let call = try await parent.call(method, body: body, options: options)
        _ = try await call.response().body.collect(upTo: 1 << 20)
        await call.finished()
    }

    @Test("A small call and its answer take so many allocations and system calls")
    func smallCall() async throws {
        let ends = try await Ends()
        let message = OutboundBody.bytes([UInt8](repeating: 1, count: 64))
        for _ in 0..<100 { try await Self.call(ends.parent, "echo", message) }
        let calls = 500
        let costs = try await ends.costs {
            for _ in 0..<calls { try await Self.call(ends.parent, "echo", message) }
        }
        for (end, cost) in [("parent", costs.parent), ("child", costs.child)] {
            let each = cost / calls
            // Less than was ever counted would mean that nothing is counted any more.
            #expect((10...55).contains(each.allocations) || allocations_are_counted() == 0, "\(end): \(each)")
            #expect((0.5...1.5).contains(each.reads), "\(end): \(each)")
            #expect((0.5...1.5).contains(each.writes), "\(end): \(each)")
            #expect((0.5...3).contains(each.polls), "\(end): \(each)")
        }
        await ends.close()
    }

    @Test("A MiB of a large body takes so many allocations and system calls")
    func largeBody() async throws {
        let ends = try await Ends()
        let mebibytes = 64
        let body = OutboundBody.bytes([UInt8](repeating: 1, count: mebibytes << 20))
        let costs = try await ends.costs { try await Self.call(ends.parent, "take", body) }
        for (end, cost) in [("parent", costs.parent), ("child", costs.child)] {
            let each = cost / mebibytes
            // Four frames, and the credit for them.
            #expect((5...60).contains(each.allocations) || allocations_are_counted() == 0, "\(end): \(each)")
            #expect((0.1...12).contains(each.reads), "\(end): \(each)")
            #expect((0.1...12).contains(each.writes), "\(end): \(each)")
            #expect((0.1...8).contains(each.polls), "\(end): \(each)")
        }
        await ends.close()
    }
}

/// What an end of a connection has done, on its reactor's thread.
private struct Costs: CustomStringConvertible {
    var allocations: Double
    var reads: Double
    var writes: Double
    var polls: Double

    var description: String {
        "\(allocations) allocations, \(reads) reads, \(writes) writes, \(polls) polls"
    }

    static func - (left: Costs, right: Costs) -> Costs {
        Costs(
            allocations: left.allocations - right.allocations,
            reads: left.reads - right.reads,
            writes: left.writes - right.writes,
            polls: left.polls - right.polls
        )
    }

    static func / (left: Costs, count: Int) -> Costs {
        let count = Double(count)
        return Costs(
            allocations: left.allocations / count,
            reads: left.reads / count,
            writes: left.writes / count,
            polls: left.polls / count
        )
    }
}

extension Connection {
    fileprivate var costs: Costs {
        Costs(
            allocations: Double(allocations_of_this_thread()),
            reads: Double(reader.reads),
            writes: Double(writer.writes),
            polls: Double(reactor.loop.polls)
        )
    }
}
