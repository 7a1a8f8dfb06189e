// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Testing

@testable import IPCFrame

/// The libraries that this machine has; zlib always.
let codecs: [ChunkCodec] = [.zlib, .isal].filter(\.isAvailable)

/// A generator that gives the same bytes in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](capacity: count) { output in
            for _ in 0..<count { output.append(UInt8(truncatingIfNeeded: next())) }
        }
    }

    /// Bytes that compress about as well as a table of text.
    mutating func text(_ count: Int) -> [UInt8] {
        [UInt8](capacity: count) { output in
            for _ in 0..<count { output.append(UInt8(truncatingIfNeeded: 97 + next() % 12)) }
        }
    }
}

@Suite struct CodecTests {
    @Test(arguments: codecs, codecs)
    func eachLibraryReadsWhatEachWrites(writer: ChunkCodec, reader: ChunkCodec) throws {
        var random = SplitMix64(state: 1)
        let deflater = ChunkDeflater(codec: writer)
        let inflater = ChunkInflater(codec: reader)
        for count in [1, 2, 63, 64, 65, 1_000, 65_535, 65_536, 65_537, 262_144] {
            for raw in [random.text(count), random.bytes(count), [UInt8](repeating: 0, count: count)] {
                let payload = try #require(deflater.compress(raw, within: count + count / 10 + 100))
                let declared = try ChunkInflater.rawLength(declaredBy: payload.span, maxChunk: 1_048_576)
                #expect(declared == count)
                #expect(try inflater.inflate(payload: payload, rawLength: count) == raw)
            }
        }
    }

    @Test(arguments: codecs)
    func aStreamThatIsNotWhatItDeclaredIsRefusedForWhatItIs(codec: ChunkCodec) throws {
        var random = SplitMix64(state: 2)
        let inflater = ChunkInflater(codec: codec)
        for count in [5, 64, 10_000] {
            let raw = random.text(count)
            let payload = try #require(ChunkDeflater(codec: .zlib).compress(raw, within: count + 200))
            #expect(throws: CodecError.tooLong) { try inflater.inflate(payload: payload, rawLength: count - 1) }
            #expect(throws: CodecError.tooLong) { try inflater.inflate(payload: payload, rawLength: 1) }
            #expect(throws: CodecError.tooShort) { try inflater.inflate(payload: payload, rawLength: count + 1) }
            for missing in 1...9 {
                let cut = Array(payload.dropLast(missing))
                #expect(throws: CodecError.tooShort) { try inflater.inflate(payload: cut, rawLength: count) }
            }
            for extra in 1...9 {
                let longer = payload + random.bytes(extra)
                #expect(throws: CodecError.trailingBytes) {
                    try inflater.inflate(payload: longer, rawLength: count)
                }
            }
            var wrongCheck = payload
            wrongCheck[wrongCheck.count - 1] ^= 1
            #expect(throws: CodecError.damaged) { try inflater.inflate(payload: wrongCheck, rawLength: count) }
            #expect(try inflater.inflate(payload: payload, rawLength: count) == raw, "damage leaves nothing behind")
        }
    }

    @Test(arguments: codecs)
    func aStreamWithAPresetDictionaryOrAnotherMethodIsDamaged(codec: ChunkCodec) throws {
        let inflater = ChunkInflater(codec: codec)
        for header: [UInt8] in [[0x78, 0xBB], [0x79, 0x9C], [0x88, 0x1C], [0x78, 0x02], [0x1F, 0x8B]] {
            let payload: [UInt8] = [1, 0, 0, 0] + header + [0x4B, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62]
            #expect(throws: CodecError.damaged) { try inflater.inflate(payload: payload, rawLength: 1) }
        }
        for short: [UInt8] in [[], [1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0, 0x78]] {
            #expect(throws: CodecError.tooShort) { try inflater.inflate(payload: short, rawLength: 1) }
        }
    }

    @Test func theLibrariesAgreeOnDamagedStreams() throws {
        var random = SplitMix64(state: 3)
        let inflaters = codecs.map { ChunkInflater(codec: $0) }
        let raw = random.text(300)
        let payload = try #require(ChunkDeflater(codec: .zlib).compress(raw, within: 1_000))
        for _ in 0..<2_000 {
            var damaged = payload
            damaged[4 + Int(random.next() % UInt64(payload.count - 4))] ^= UInt8(1 << (random.next() % 8))
            let results = inflaters.map { try? $0.inflate(payload: damaged, rawLength: raw.count) }
            // A flipped bit is found, by Adler-32 at the latest, unless it is padding that means nothing.
            let agrees = results.allSatisfy { $0 == results[0] && ($0 == nil || $0 == raw) }
            #expect(agrees)
        }
    }

    @Test func theDeclaredLengthIsCheckedBeforeAnyMemoryIsTaken() throws {
        func declared(_ prefix: [UInt8]) throws -> Int {
            try ChunkInflater.rawLength(declaredBy: prefix.span, maxChunk: 262_144)
        }
        #expect(try declared([0, 0, 4, 0, 0x78]) == 262_144)
        let large = #expect(throws: ProtocolViolation.self) { try declared([1, 0, 4, 0, 0x78]) }
        #expect(large?.code == .frameTooLarge)
        #expect(large?.limit == 262_144)
        let largest = #expect(throws: ProtocolViolation.self) { try declared([255, 255, 255, 255]) }
        #expect(largest?.code == .frameTooLarge)
        for malformed: [UInt8] in [[0, 0, 0, 0, 0x78], [], [1, 0, 0]] {
            let violation = #expect(throws: ProtocolViolation.self) { try declared(malformed) }
            #expect(violation?.code == .malformedFrame)
        }
    }

    @Test(arguments: codecs)
    func aChunkThatSavesLessThanFivePerCentGoesStored(codec: ChunkCodec) {
        var random = SplitMix64(state: 4)
        let deflater = ChunkDeflater(codec: codec)
        #expect(deflater.encode(random.bytes(262_144)) == .stored)
        #expect(deflater.encode([UInt8](repeating: 7, count: 10)) == .stored, "too small to gain")
        guard case .compressed(let payload) = deflater.encode(random.text(262_144)) else {
            Issue.record("text must be compressed")
            return
        }
        #expect(payload.count < 262_144 * 95 / 100)
        // 94 % random bytes, 6 % zeros: what deflate saves is just not enough.
        let mixed = random.bytes(250_000) + [UInt8](repeating: 0, count: 12_000)
        #expect(ChunkDeflater(codec: codec).encode(mixed) == .stored)
    }

    @Test func bytesThatDoNotCompressAreTriedLessAndLessOften() {
        var policy = CompressionPolicy()
        var tried: [Int] = []
        for chunk in 0..<100 where policy.shouldTry(rawCount: 262_144) {
            tried.append(chunk)
            policy.tried(compressed: false)
        }
        #expect(tried == [0, 1, 3, 6, 11, 20, 37, 54, 71, 88])
        while !policy.shouldTry(rawCount: 262_144) {}
        policy.tried(compressed: true)
        #expect(policy == CompressionPolicy(), "one that compresses starts everything anew")
        #expect(CompressionPolicy.largestPayload(forRaw: 1_000) == 950)
        #expect(CompressionPolicy.largestPayload(forRaw: 64) == 60)
    }

    /// Three chunks are always under way; each result is known when the third chunk behind it is to be begun.
    @Test func chunksThatAreTriedTogetherAreTriedOneAtATimeOnceTwoHaveFailed() {
        func tried(_ count: Int, atOnce width: Int, compresses: (Int) -> Bool) -> [Int] {
            var policy = CompressionPolicy()
            var underWay: [(number: Int, isTried: Bool)] = []
            var tried: [Int] = []
            for number in 0..<count {
                if underWay.count == width {
                    let first = underWay.removeFirst()
                    if first.isTried { policy.tried(compressed: compresses(first.number)) }
                }
                let isTried = policy.shouldTry(rawCount: 262_144)
                underWay.append((number, isTried))
                if isTried { tried.append(number) }
            }
            return tried
        }
        #expect(tried(100, atOnce: 1) { _ in false } == [0, 1, 3, 6, 11, 20, 37, 54, 71, 88])
        // Four chunks are on their way before a second failure is known; then one try, and up to 16 skipped, at a time.
        #expect(tried(100, atOnce: 3) { _ in false } == [0, 1, 2, 3, 10, 21, 40, 59, 78, 97])
        #expect(tried(100, atOnce: 8) { _ in false } == [0, 1, 2, 3, 4, 5, 6, 7, 8, 32, 56, 80])
        #expect(tried(100, atOnce: 8) { _ in true } == Array(0..<100))
        // What begins to compress is noticed within 16 chunks and those that are under way meanwhile.
        for start in 0..<60 {
            let all = tried(100, atOnce: 8) { $0 >= start }
            let first = all.first { $0 >= start } ?? 100
            #expect(first < start + 16 + 8)
            #expect(all.filter { $0 >= first + 8 } == Array((first + 8)..<100), "then every chunk is tried")
        }
    }

    @Test(arguments: codecs)
    func theDigestIsTheCRC32OfRFC1952HoweverItIsCut(codec: ChunkCodec) {
        var check = CRC32Digest(codec: codec)
        #expect(check.value == 0)
        check.update(Array("123456789".utf8))
        #expect(check.value == 0xCBF4_3926)
        var random = SplitMix64(state: 5)
        let bytes = random.bytes(100_000)
        var whole = CRC32Digest(codec: .zlib)
        whole.update(bytes)
        var pieces = CRC32Digest(codec: codec)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int(random.next() % 5_000))
            pieces.update(bytes.span.extracting(start..<end))
            start = end
        }
        #expect(pieces.value == whole.value)
    }

    @Test func theEnvironmentForcesALibraryAndAWishThatCannotBeMetIsTold() {
        let absent: () -> CInt = { -ENOENT }
        let present: () -> CInt = { 0 }
        #expect(ChunkCodec.Choice(environment: nil, isalLoad: present).codec == .isal)
        #expect(ChunkCodec.Choice(environment: nil, isalLoad: absent).codec == .zlib)
        #expect(ChunkCodec.Choice(environment: nil, isalLoad: absent).notice == nil)
        #expect(ChunkCodec.Choice(environment: "zlib", isalLoad: present).codec == .zlib)
        #expect(ChunkCodec.Choice(environment: "isal", isalLoad: present).codec == .isal)
        let unmet = ChunkCodec.Choice(environment: "isal", isalLoad: absent)
        #expect(unmet.codec == .zlib)
        #expect(
            unmet.notice
                == "IPCFRAME_CODEC asks for isal, but libisal.so.2 cannot be loaded (install libisal2); "
                + "zlib is used instead"
        )
        let unknown = ChunkCodec.Choice(environment: "lz4", isalLoad: present)
        #expect(unknown.codec == .isal)
        #expect(unknown.notice == "IPCFRAME_CODEC is 'lz4', not 'isal' or 'zlib'; it is ignored")
    }

    @Test func theLibraryInForceIsNamedWithItsVersion() {
        #expect(ChunkCodec.zlib.description.hasPrefix("zlib 1."))
        for codec in codecs where codec == .isal { #expect(codec.description.hasPrefix("isa-l 2.")) }
        #expect(ChunkCodec.inForce == ChunkCodec.current.description)
    }
}
