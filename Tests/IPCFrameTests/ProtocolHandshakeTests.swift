// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Versions, limits, and what is no peer at all.
@Suite struct ProtocolHandshakeTests {
    private func parent(_ versions: ClosedRange<UInt16>) -> Rig {
        var configuration = ConnectionStateMachine.Configuration()
        configuration.minVersion = versions.lowerBound
        configuration.maxVersion = versions.upperBound
        return Rig(.parent, configuration)
    }

    @Test func theHighestCommonVersionIsChosen() throws {
        for (ours, theirs, chosen) in [
            (1...1, 1...1, 1), (1...3, 1...2, 2), (1...2, 2...9, 2), (1...1, 1...65_535, 1),
        ] as [(ClosedRange<UInt16>, ClosedRange<UInt16>, UInt16)] {
            let rig = parent(ours)
            rig.feed(.hello, payload: Sample.hello(versions: theirs))
            #expect(rig.frameTypes == [.welcome])
            #expect(try Welcome(parsing: Array(try #require(rig.frames.first).payload)).version == chosen)
        }
    }

    @Test func withoutACommonVersionTheChildIsRejected() throws {
        for (ours, theirs) in [(1...1, 2...3), (4...5, 1...3), (1...1, 0...0)]
            as [(ClosedRange<UInt16>, ClosedRange<UInt16>)]
        {
            let rig = parent(ours)
            var limits = Capabilities()
            // A later version may have other ranges: the version is looked at first.
            limits.limits.maxChunk = 1
            rig.feed(.hello, payload: Sample.hello(limits, versions: theirs))
            #expect(rig.frameTypes == [.reject])
            let reject = try Reject(parsing: Array(try #require(rig.frames.first).payload))
            #expect(reject.code == .versionMismatch)
            #expect(reject.minVersion == ours.lowerBound && reject.maxVersion == ours.upperBound)
            guard case .rejected(code: .versionMismatch, _)? = rig.end else {
                Issue.record("the end is \(String(describing: rig.end))")
                return
            }
        }
    }

    @Test func aChildWithALimitOutOfRangeIsRejectedAndToldTheBound() throws {
        for (path, value, bound) in [
            (\.maxChunk, 4_095, 4_096), (\.maxChunk, 1_048_577, 1_048_576), (\.maxStreams, 0, 1),
            (\.initialCredit, 1_048_577, 1_048_576),
        ] as [(WritableKeyPath<ConnectionLimits, UInt32>, UInt32, UInt64)] {
            var capabilities = Capabilities()
            capabilities.limits[keyPath: path] = value
            let rig = Rig(.parent)
            rig.feed(.hello, payload: Sample.hello(capabilities))
            #expect(rig.frameTypes == [.reject])
            let reject = try Reject(parsing: Array(try #require(rig.frames.first).payload))
            #expect(reject.code == .limitRejected && reject.limit == bound)
            let child = Rig(.child)
            child.feed(.reject, payload: Array(try #require(rig.frames.first).payload))
            #expect(child.end == .rejected(code: .limitRejected, reason: reject.reason))
        }
    }

    @Test func theLowerLimitsAreInForceOnBothSides() throws {
        var small = ConnectionStateMachine.Configuration()
        small.capabilities.limits.maxChunk = 5_000
        small.capabilities.limits.initialCredit = 0
        small.capabilities.codecs = 0
        var few = ConnectionStateMachine.Configuration()
        few.capabilities.limits.maxStreams = 3
        few.capabilities.digests = 0
        for (ours, theirs) in [(small, few), (few, small)] {
            let (parent, child) = (Rig(.parent, ours), Rig(.child, theirs))
            parent.feed(.hello, payload: Sample.hello(theirs.capabilities))
            child.feed(.welcome, payload: Array(try #require(parent.frames.first).payload))
            for rig in [parent, child] {
                #expect(rig.machine.limits.maxChunk == 5_000)
                #expect(rig.machine.limits.maxStreams == 3)
                #expect(rig.machine.limits.initialCredit == 0)
                #expect(rig.machine.codecs == 1 && rig.machine.digests == 1)
                #expect(rig.violation == nil)
            }
        }
    }

    @Test func whatIsNotInForceMayNotBeOffered() {
        var configuration = ConnectionStateMachine.Configuration()
        configuration.capabilities.codecs = 1
        configuration.capabilities.digests = 1
        for offer in [Offer(size: 5, codec: .zlib), Offer(size: 5, digest: .crc32)] {
            let rig = Rig.open(.child, configuration)
            rig.feed(.request, stream: 1, payload: Sample.request(offer))
            #expect(rig.violation == .malformedFrame)
        }
    }

    @Test func aWELCOMEMayNotRaiseWhatHELLOStated() {
        let changes: [@Sendable (inout Capabilities) -> Void] = [
            { $0.limits.maxChunk += 1 }, { $0.limits.maxStreams += 1 }, { $0.limits.initialCredit += 1 },
            { $0.codecs |= 4 }, { $0.digests |= 4 }, { $0.features |= 1 }, { $0.limits.maxChunk = 1 },
            { $0.limits.maxStreams = 0 },
        ]
        for change in changes {
            var capabilities = Capabilities()
            change(&capabilities)
            let rig = Rig(.child)
            rig.feed(.welcome, payload: Sample.welcome(capabilities))
            #expect(rig.violation == .limitRejected)
        }
        for version in [0, 2] as [UInt16] {
            let rig = Rig(.child)
            rig.feed(.welcome, payload: Sample.welcome(version: version))
            #expect(rig.violation == .limitRejected)
        }
    }

    @Test func aHandshakeFrameIsSmallAndLaterFramesAreAsLargeAsAgreed() {
        for (type, length, isAdmitted) in [(FrameType.hello, 4_096, true), (.hello, 4_097, false)] {
            let rig = Rig(.parent)
            let header = FrameHeader(type, length: UInt32(length))
            #expect(rig.machine.admit(header) == isAdmitted)
        }
        let limit = ConnectionLimits().maxPayload
        for (length, isAdmitted) in [(limit, true), (limit + 1, false), (UInt32.max, false)] {
            let rig = Rig.open(.parent)
            let isTaken = rig.perform { $0.admit(FrameHeader(.data, stream: 2, length: length)) }
            #expect(isTaken == isAdmitted)
            #expect(rig.violation == (isAdmitted ? nil : .frameTooLarge))
        }
    }

    @Test func aFailedInitialisationIsToldInFullSight() throws {
        let (parent, child) = (Rig(.parent), Rig(.child))
        parent.feed(.hello, payload: Sample.hello())
        child.feed(.welcome, payload: Sample.welcome())
        let reason = String(repeating: "€", count: 5_000)
        child.perform { $0.failToInitialise(reason) }
        let frame = try #require(child.frames.first)
        parent.feed(frame.header, Array(frame.payload))
        guard case .reportedByPeer(code: .initialisationFailed, let told)? = parent.end else {
            Issue.record("the end is \(String(describing: parent.end))")
            return
        }
        #expect(reason.hasPrefix(told) && told.utf8.count > 2_000)
    }

    @Test func textThatWasPrintedToTheSocketIsRecognised() throws {
        for text in ["Starting the worker\n", "0123456789abcdef", "\n\nok, here we go!\n"] {
            let bytes = Array(text.utf8)
            let rig = Rig(.parent)
            do throws(ProtocolViolation) {
                let header = try FrameHeader(parsing: bytes.span)
                rig.perform { _ = $0.admit(header) }
            } catch {
                rig.perform { $0.abort(.violation(error)) }
            }
            guard case .violation(let violation)? = rig.end else {
                Issue.record("'\(text)' was taken for a frame")
                return
            }
            #expect(violation.description.contains("printed to the socket"), "\(violation)")
            #expect(rig.frameTypes == [.error])
        }
        var payload = Sample.hello()
        payload[0] = 0x41
        let rig = Rig(.parent)
        rig.feed(.hello, payload: payload)
        #expect(rig.violation == .malformedFrame)
    }

    @Test func theHandshakeTimesOutUntilItIsComplete() {
        for state in ["awaitingHello", "awaitingReady", "awaitingWelcome"] {
            for rig in StateTableConnectionTests.rigs(in: state) {
                rig.perform { $0.handshakeTimedOut() }
                #expect(rig.end == .handshakeTimedOut)
            }
        }
        for state in ["preparing", "open", "closing"] {
            for rig in StateTableConnectionTests.rigs(in: state) {
                rig.perform { $0.handshakeTimedOut() }
                #expect(rig.end == nil)
            }
        }
    }
}
