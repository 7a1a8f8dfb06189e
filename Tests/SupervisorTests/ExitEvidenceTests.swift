// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct ExitClassifierTests {
    private func classify(
        _ status: WorkerExit.Status,
        _ change: (inout ExitClassifier) -> Void = { _ in }
    ) -> ExitReason {
        var classifier = ExitClassifier(outcome: .status(status))
        change(&classifier)
        return classifier.reason()
    }

    private static let killed = WorkerExit.Status.signalled(signal: 9, dumpedCore: false)
    private static let aborted = WorkerExit.Status.signalled(signal: 6, dumpedCore: true)
    private static let limit: UInt64 = 100 << 20

    @Test func anEndOfItsOwnIsReportedAsTheKernelSaysIt() {
        #expect(classify(.exited(code: 0)) == .exited(code: 0))
        #expect(classify(.exited(code: 137)) == .exited(code: 137))
        #expect(classify(Self.aborted) == .signalled(signal: 6, dumpedCore: true))
    }

    @Test func sigkillAloneIsNoProofOfLackOfMemory() {
        let reason = classify(Self.killed) {
            $0.memoryLimit = Self.limit
            $0.allocationsFail = true
            $0.peakRSS = Self.limit
            $0.standardErrorTail = Array("out of memory".utf8)
        }
        #expect(reason == .signalled(signal: 9, dumpedCore: false))
    }

    @Test func theControlGroupsCounterIsProof() {
        let reason = classify(Self.killed) {
            $0.memoryLimit = Self.limit
            $0.controlGroupKills = 2
        }
        #expect(reason == .outOfMemory(.controlGroup(kills: 2, limit: Self.limit)))
    }

    @Test func ourOwnKillForMemoryOutranksTheCauseThatCameWithIt() {
        let reason = classify(Self.killed) {
            $0.memoryLimit = Self.limit
            $0.memoryKill = Self.limit + 1
            $0.stopCause = .cancelled(by: "somebody")
        }
        #expect(reason == .outOfMemory(.residentSize(Self.limit + 1, limit: Self.limit)))
    }

    @Test(arguments: [(79, false), (80, true), (100, true)])
    func anAbnormalEndNearTheLimitIsLackOfMemory(percent: UInt64, isProof: Bool) {
        let peak = Self.limit / 100 * percent
        for status in [Self.aborted, .exited(code: 1)] {
            let reason = classify(status) {
                $0.memoryLimit = Self.limit
                $0.allocationsFail = true
                $0.peakRSS = peak
            }
            #expect((reason == .outOfMemory(.peakNearLimit(peak, limit: Self.limit))) == isProof)
        }
    }

    @Test func aNormalEndNearTheLimitIsNormal() {
        let reason = classify(.exited(code: 0)) {
            $0.memoryLimit = Self.limit
            $0.allocationsFail = true
            $0.peakRSS = Self.limit
        }
        #expect(reason == .exited(code: 0))
    }

    @Test func theWorkersOwnWordsCountOnlyUnderALimit() {
        let words = Array("Traceback\nMemoryError\n".utf8)
        #expect(classify(.exited(code: 1)) { $0.standardErrorTail = words } == .exited(code: 1))
        let reason = classify(.exited(code: 1)) {
            $0.standardErrorTail = words
            $0.memoryLimit = Self.limit
            $0.allocationsFail = true
        }
        #expect(reason == .outOfMemory(.ownWords("MemoryError", limit: Self.limit)))
    }

    @Test(arguments: [
        (StopCause.finished, ExitReason.signalled(signal: 9, dumpedCore: false)),
        (.cancelled(by: "the user"), .cancelled(by: "the user")),
        (.timedOut(.total), .timedOut(.total)), (.timedOut(.start), .timedOut(.start)),
        (.stalled(.heartbeat), .stalled(.heartbeat)), (.stalled(.progress), .stalled(.progress)),
        (.protocolViolation("x"), .protocolViolation("x")), (.handshakeFailed("y"), .handshakeFailed("y")),
        (.recycled, .recycled), (.parentShutdown, .parentShutdown),
    ])
    func theCauseForWhichWeStoppedItIsTheReason(cause: StopCause, expected: ExitReason) {
        #expect(classify(Self.killed) { $0.stopCause = cause } == expected)
    }

    @Test func aViolationFoundAfterASilentEndExplainsItButACrashExplainsItself() {
        #expect(classify(.exited(code: 0)) { $0.linkEnd = .violation("garbage") } == .protocolViolation("garbage"))
        #expect(classify(.exited(code: 76)) { $0.linkEnd = .violation("garbage") } == .protocolViolation("garbage"))
        #expect(classify(.exited(code: 3)) { $0.linkEnd = .violation("garbage") } == .exited(code: 3))
        #expect(
            classify(Self.aborted) { $0.linkEnd = .violation("garbage") } == .signalled(signal: 6, dumpedCore: true)
        )
    }

    @Test func aWorkerThatWeRejectedLeavesForThatReason() {
        #expect(classify(.exited(code: 78)) { $0.linkEnd = .rejected("old") } == .handshakeFailed("old"))
        #expect(classify(Self.aborted) { $0.linkEnd = .rejected("old") } == .signalled(signal: 6, dumpedCore: true))
        #expect(classify(.exited(code: 0)) { $0.linkEnd = .vanished } == .exited(code: 0))
    }

    @Test func aStatusThatSomebodyElseTookIsUnknownAndSaysWhy() {
        var classifier = ExitClassifier(outcome: .lost(why: "another part of this process reaped it"))
        #expect(classifier.reason() == .unknown("another part of this process reaped it"))
        classifier.stopCause = .recycled
        #expect(classifier.reason() == .recycled)
    }
}

@Suite struct OutputCaptureTests {
    @Test("Every split point yields the same lines", arguments: 0...18)
    func splitAnywhere(at cut: Int) {
        let bytes = Array("one\r\n\ntwo wörds\nend".utf8)
        var splitter = LineSplitter()
        var lines = splitter.feed(bytes[..<cut]) + splitter.feed(bytes[cut...])
        if let last = splitter.finish() { lines.append(last) }
        #expect(lines == ["one", "", "two wörds", "end"])
        #expect(splitter.finish() == nil)
    }

    @Test(arguments: [-1, 0, 1]) func aLineAtTheLimit(excess: Int) {
        let length = LineSplitter.maximumLength + excess
        var splitter = LineSplitter()
        let lines = splitter.feed(String(repeating: "x", count: length).utf8) + splitter.feed("\n".utf8)
        #expect(lines.count == (excess > 0 ? 2 : 1))
        #expect(lines.joined().utf8.count == length)
    }

    @Test(arguments: 0..<4) func aLongLineIsCutBetweenCharacters(offset: Int) {
        let text = String(repeating: "x", count: offset) + String(repeating: "𝄞", count: 5000)
        var splitter = LineSplitter()
        var lines = splitter.feed(text.utf8)
        if let last = splitter.finish() { lines.append(last) }
        #expect(lines.count == 3)
        #expect(lines.joined() == text)
    }

    @Test func bytesThatAreNoTextAreNeitherLostNorDangerous() {
        var splitter = LineSplitter()
        let lines = splitter.feed([UInt8](repeating: 0x80, count: 20_000) + [10])
        #expect(lines.map(\.unicodeScalars.count).reduce(0, +) == 20_000)
    }

    @Test(arguments: [99, 100, 101, 1000]) func theTailIsTheLastBytes(count: Int) {
        for step in [1, 7, 1000] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            var tail = TailBuffer(limit: 100)
            for start in stride(from: 0, to: count, by: step) { tail.append(bytes[start..<min(start + step, count)]) }
            #expect(tail.tail == Array(bytes.suffix(100)))
            #expect(tail.total == UInt64(count))
        }
    }

    @Test func memoryFiguresAreReadFromTheKernelsText() {
        let text = "Name:\tcat VmHWM:\nVmHWM:\t    1024 kB\nVmRSS:\t     512 kB\nVmData:\t  64 kB\nThreads:\t1\n"
        let status = ProcessStatus(parsing: Array(text.utf8))
        #expect(status.peakResidentSize == 1 << 20)
        #expect(status.residentSize == 512 << 10)
        #expect(status.dataSize == 64 << 10)
        #expect(ProcessStatus(parsing: Array("VmRSS:\nVm".utf8)).residentSize == nil)
    }
}
