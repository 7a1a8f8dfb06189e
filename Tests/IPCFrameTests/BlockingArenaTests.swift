// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

extension Connection {
    /// The first byte of the other side's first slot.
    fileprivate nonisolated var firstByte: UInt8? { arena.region?.read(ArenaPlace(slot: 0, count: 1)).first }
}

/// Delivery by arena where an end blocks.
@Suite struct BlockingArenaTests {
    private static let sizes = [65_536, 65_537, 98_303, 262_143, 262_144, 262_145, 5_000_000]

    private static func options(_ digest: BodyDigest = .none) -> CallOptions {
        var options = CallOptions()
        options.codec = .none
        options.digest = digest
        options.delivery = .arena
        return options
    }

    @Test("A body of any size comes back from shared memory as it was", arguments: BlockingRig.Driver.allCases)
    func echoes(child: BlockingRig.Driver) async throws {
        try await BlockingRig.withBlockingParent(child: child) { parent in
            var memory: [UInt8] = []
            for digest in [BodyDigest.none, .crc32] {
                for count in Self.sizes {
                    let bytes = ConnectionTests.pattern(count)
                    for method in ["echo", "stream"] {
                        _ = try parent.call(method, body: bytes, options: Self.options(digest), into: &memory)
                        // Apart: what fails would be shown with all its bytes.
                        let isSame = memory == bytes
                        #expect(isSame, "\(method) of \(count)")
                        let isArenaUsed = parent.link.state.isArenaUsed
                        #expect(isArenaUsed == (count > 65_536 || digest == .crc32))
                    }
                }
            }
        }
    }

    @Test func aParentThatDoesNotBlockSharesMemoryWithAChildThatDoes() async throws {
        try await BlockingRig.withBlockingChild { parent in
            for count in Self.sizes {
                let bytes = ConnectionTests.pattern(count)
                for method in ["echo", "stream"] {
                    let call = try await parent.call(method, body: .bytes(bytes), options: Self.options(.crc32))
                    let isSame = try await call.response().body.collect(upTo: 1 << 30) == bytes
                    #expect(isSame, "\(method) of \(count)")
                    // Both ways.
                    #expect((call.statistics.chunksShared >= 2) == (count > 65_536))
                }
            }
        }
    }

    @Test("An end that shares none gets everything over the socket", arguments: [CallOptions.Delivery.arena, .auto])
    func goesInlineWithout(delivery: CallOptions.Delivery) async throws {
        let bytes = ConnectionTests.pattern(3_000_000)
        var options = Self.options()
        options.delivery = delivery
        try await BlockingRig.withBlockingParent(child: .async, sharesMemory: false) { [options] parent in
            let answer = try parent.call("echo", body: bytes, options: options)
            #expect(answer.body == bytes)
            let hasRegion = parent.link.state.region != nil
            #expect(!hasRegion)
        }
        try await BlockingRig.withBlockingChild(sharesMemory: false) { parent in
            let call = try await parent.call("echo", body: .bytes(bytes), options: options)
            #expect(try await call.response().body.collect(upTo: 1 << 30) == bytes)
            #expect(call.statistics.chunksShared == 0)
        }
        options.delivery = .inline
        try await BlockingRig.withBlockingParent(child: .blocking) { [options] parent in
            let answer = try parent.call("echo", body: bytes, options: options)
            #expect(answer.body == bytes)
            let hasRegion = parent.link.state.region != nil
            #expect(!hasRegion)
        }
    }

    @Test func aCallThatIsGivenUpLeavesEverySlotFree() async throws {
        struct Broken: Error {}
        try await BlockingRig.withBlockingParent(child: .blocking) { parent in
            for broken in 1..<8 {
                var pieces = 0
                #expect(throws: Broken.self) {
                    try parent.call("stream", options: Self.options()) {
                        pieces += 1
                        if pieces > 2 * broken { throw Broken() }
                        return [UInt8](repeating: 1, count: 300_000)
                    } receiving: { _ in
                        if broken % 2 == 0, pieces > broken { throw Broken() }
                    }
                }
            }
            // The answers to what was given up have come by then.
            let bytes = ConnectionTests.pattern(3_000_000)
            let answer = try parent.call("echo", body: bytes, options: Self.options())
            #expect(answer.body == bytes)
            let areAllSlotsFree = parent.link.state.machine.areAllSlotsFree
            #expect(areAllSlotsFree)
        }
    }

    @Test func memoryThatNobodyUsesGoesBack() async throws {
        try await BlockingRig.withBlockingChild(arenaIdleTime: .milliseconds(200)) { parent in
            for _ in 0..<2 {
                let bytes = [UInt8](repeating: 7, count: 3_000_000)
                let call = try await parent.call("echo", body: .bytes(bytes), options: Self.options())
                #expect(try await call.response().body.collect(upTo: 1 << 30) == bytes)
                for _ in 0..<1_000 where parent.firstByte != 0 { try await Task.sleep(for: .milliseconds(10)) }
                #expect(parent.firstByte == 0)
            }
        }
    }
}
