// SPDX-License-Identifier: Apache-2.0
import Glibc

/// As much of an HTTP client as a measurement needs: one blocking connection to this machine, kept open.
final class HTTPConnection: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: CInt

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: errno \(errno)") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect to port \(port): errno \(errno)") }
        var on: CInt = 1
        _ = unsafe setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    deinit { close(descriptor) }

    /// Sends a request and returns the body of its answer.
    func get(_ path: String) throws -> [UInt8] {
        let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        guard unsafe send(descriptor, request, request.count, CInt(MSG_NOSIGNAL)) == request.count else {
            throw Failure(description: "\(path): send: errno \(errno)")
        }
        var received: [UInt8] = []
        while true {
            if let body = try Self.body(in: received, path) { return body }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw Failure(description: "\(path): the service closed the connection") }
            received += buffer.prefix(count)
        }
    }

    /// nil as long as the answer is not whole.
    private static func body(in received: [UInt8], _ path: String) throws -> [UInt8]? {
        let blank = Array("\r\n\r\n".utf8)
        guard let end = received.indices.first(where: { received[$0...].starts(with: blank) }) else { return nil }
        let lines = String(decoding: received[..<end], as: UTF8.self).lowercased().split(separator: "\r\n")
        guard let status = lines.first, status.contains(" 200 ") else {
            throw Failure(description: "\(path): \(lines.first ?? "no answer")")
        }
        let field = "content-length: "
        guard let line = lines.first(where: { $0.hasPrefix(field) }), let length = Int(line.dropFirst(field.count))
        else {
            throw Failure(description: "\(path): the answer does not tell its length")
        }
        let body = received[(end + blank.count)...]
        return body.count < length ? nil : Array(body.prefix(length))
    }
}
