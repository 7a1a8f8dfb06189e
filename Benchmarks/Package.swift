// swift-tools-version: 6.2
import PackageDescription

// A package of its own: who uses IPCFrame does not build its benchmarks.
let package = Package(
    name: "Benchmarks",
    dependencies: [.package(name: "IPCFrame", path: "..")],
    targets: [
        .executableTarget(
            name: "ipc-bench",
            dependencies: [
                .product(name: "IPCFrame", package: "IPCFrame"), .product(name: "Supervisor", package: "IPCFrame"),
            ],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
                .enableUpcomingFeature("InferIsolatedConformances"),
                .strictMemorySafety(),
            ]
        )
    ],
    swiftLanguageModes: [.v6]
)
