// SPDX-License-Identifier: Apache-2.0
import Foundation
import HeavyWork
import Hummingbird
import IPCFrame
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Supervisor
import SupervisorService
import UnixSignals

/// A web service with heavy work to do, in its own process or in that of a worker.
///
///     GET /light                                      answers at once
///     GET /heavy?ms=50&mode=in-process|pool           computes for 50 ms of processor time
///     GET /loop                                       how late the service was, in milliseconds, since the last look
///
/// Prints the port on which it listens.
@main
struct HeavyService {
    static func main() async throws {
        var logger = Logger(label: "heavy-service")
        logger.logLevel = .warning

        var worker = WorkerConfiguration(executable: Self.neighbour("heavy-worker"))
        worker.nice = 10
        var configuration = PoolConfiguration(worker: worker)
        configuration.policy.minimumWorkers = 1
        configuration.policy.maximumWorkers = 1
        configuration.policy.queueLimit = 100
        configuration.logger = logger
        configuration.observer = PoolMetrics().record
        let pool = WorkerPool(configuration)

        let delays = DelayMeter(on: MultiThreadedEventLoopGroup.singleton.any())
        let application = Application(
            router: Self.router(pool, delays),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                print(channel.localAddress?.port ?? 0)
                fflush(nil)
            },
            logger: logger
        )
        // In this order: the last one is shut down first, so that requests that run still have their pool.
        let group = ServiceGroup(
            services: [pool, delays, application],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }

    private static func router(_ pool: WorkerPool, _ delays: DelayMeter) -> Router<BasicRequestContext> {
        let router = Router()
        router.get("light") { _, _ in "light\n" }
        router.get("loop") { _, _ in delays.take() }
        router.get("heavy") { request, _ in
            let parameters = request.uri.queryParameters
            guard let milliseconds = parameters["ms"].flatMap({ Int($0) }), 0...10_000 ~= milliseconds else {
                throw HTTPError(.badRequest, message: "ms is a number from 0 to 10000")
            }
            switch parameters["mode"] {
            case "in-process": return "\(HeavyWork.run(milliseconds: milliseconds))\n"
            case "pool": return try await Self.heavy(milliseconds, pool)
            default: throw HTTPError(.badRequest, message: "mode is in-process or pool")
            }
        }
        return router
    }

    private static func heavy(_ milliseconds: Int, _ pool: WorkerPool) async throws -> String {
        var options = PoolCallOptions()
        options.timeout = .seconds(30)
        do {
            let reply = try await pool.call("heavy", arguments: [Argument("ms", "\(milliseconds)")], options: options)
            return String(decoding: reply.bytes, as: UTF8.self)
        } catch PoolError.queueFull {
            throw HTTPError(.serviceUnavailable, headers: [.retryAfter: "1"], message: "too much to do")
        } catch PoolError.breakerOpen(let pause, _) {
            let seconds = "\(pause.components.seconds + 1)"
            throw HTTPError(.serviceUnavailable, headers: [.retryAfter: seconds], message: "no worker for now")
        } catch PoolError.timedOut {
            throw HTTPError(.gatewayTimeout, message: "not done in time")
        }
    }

    /// A program in the same folder as this one.
    private static func neighbour(_ name: String) -> String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent(name).path
    }
}
