// SPDX-License-Identifier: Apache-2.0
package import IPCFrame

extension Connection: WorkerLink {
    package func becomeReady() async throws { _ = try await handshake() }

    package func probe() async throws { _ = try await ping() }

    package func drainInput() { readArrived() }

    package func peerEnded() -> LinkEnd { LinkEnd(peerHasEnded()) }

    package func ended() async -> LinkEnd { LinkEnd(await closed()) }
}

extension LinkEnd {
    init(_ end: ConnectionEnd) {
        self =
            switch end {
            case .orderly: .orderly
            // What the worker could not do it tells by its exit as well.
            case .peerVanished, .reportedByPeer(code: .initialisationFailed, _): .vanished
            case .violation(let violation): .violation("\(violation)")
            case .reportedByPeer(let code, let reason): .failed("the worker ended it: \(code): \(reason)")
            case .rejected(_, let reason): .rejected(reason)
            case .handshakeTimedOut: .handshakeTimedOut
            case .peerNotReading: .notReading
            case .aborted: .aborted
            case .system(let error): .failed("\(error)")
            }
    }
}
