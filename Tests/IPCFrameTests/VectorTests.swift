// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import IPCFrame

@Suite struct VectorTests {
    @Test func validFramesAreReadAndWrittenAsTheVectorsSay() throws {
        let frames: [ValidVector] = try vectors("valid")
        #expect(frames.count > 50)
        for vector in frames {
            let whole = bytes(vector.hex)
            let header = try FrameHeader(parsing: whole.span)
            let payload = Array(whole.dropFirst(FrameHeader.byteCount))
            let frame = try AnyFrame(header, payload)
            #expect(header.type?.name == vector.type, "\(vector.name)")
            #expect(String(header.stream) == vector.stream, "\(vector.name)")
            #expect(header.flags.rawValue == vector.flags, "\(vector.name)")
            #expect(Int(header.length) == payload.count, "\(vector.name)")
            if case .data = frame {
                try expectChunk(vector, header, payload)
            } else {
                #expect(frame.fields == vector.fields, "\(vector.name)")
            }
            var written: [UInt8] = []
            header.encode(into: &written)
            frame.encode(into: &written)
            if vector.canonical {
                #expect(hex(written) == vector.hex, "\(vector.name)")
            } else {
                let again = try AnyFrame(header, Array(written.dropFirst(FrameHeader.byteCount)))
                #expect(again == frame, "\(vector.name)")
            }
        }
    }

    private func expectChunk(_ vector: ValidVector, _ header: FrameHeader, _ payload: [UInt8]) throws {
        // Undefined bits are ignored; ARENA and FILE are not of this test.
        let flags = header.flags.intersection([.compressed, .flush])
        let chunk = try Chunk(flags: flags, payload: payload, codec: .zlib, maxChunk: 262_144)
        #expect(vector.fields["rawLength"] == .int(chunk.rawCount), "\(vector.name)")
        #expect(vector.fields["payload"] == JSON(payload), "\(vector.name)")
        guard chunk.isCompressed else { return }
        for codec in codecs {
            let raw = try ChunkInflater(codec: codec).inflate(payload: payload, rawLength: chunk.rawCount)
            #expect(vector.fields["raw"] == JSON(raw), "\(vector.name)")
        }
    }

    @Test func invalidFramesAreFoundWhereTheVectorsSay() throws {
        let frames: [InvalidVector] = try vectors("invalid")
        #expect(frames.count > 100)
        for vector in frames {
            #expect(try error(of: vector) == vector.error, "\(vector.name)")
        }
    }

    /// How a body was accepted whose chunks are found wrong where the vector says.
    private static let deliveries: [String: BodyDelivery] = ["arena": .arena, "file": .descriptor]

    /// What is wrong with the frame, or nil; throws when it is found earlier than the vector says.
    private func error(of vector: InvalidVector) throws -> String? {
        let whole = bytes(vector.hex)
        let payload = Array(whole.dropFirst(FrameHeader.byteCount))
        if vector.where == "header" {
            return violation { _ = try FrameHeader(parsing: whole.span) }
        }
        let header = try FrameHeader(parsing: whole.span)
        if let delivery = Self.deliveries[vector.where] {
            return violation {
                let flags = header.flags
                _ = try Chunk(flags: flags, payload: payload, codec: .zlib, delivery: delivery, maxChunk: 4_096)
            }
        }
        guard vector.where == "chunk" else {
            return violation { _ = try AnyFrame(header, payload) }
        }
        var found: Set<String?> = []
        for codec in codecs {
            found.insert(
                violation {
                    let chunk = try Chunk(flags: header.flags, payload: payload, codec: .zlib, maxChunk: 4_096)
                    guard chunk.isCompressed else { return }
                    _ = try ChunkInflater(codec: codec).inflate(payload: payload, rawLength: chunk.rawCount)
                }
            )
        }
        #expect(found.count == 1, "the libraries do not agree on \(vector.name)")
        return found.first ?? nil
    }

    private func violation(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch let violation as ProtocolViolation {
            return "\(violation.code)"
        } catch is CodecError {
            return "corruptChunk"
        } catch {
            return "\(error)"
        }
    }
}
