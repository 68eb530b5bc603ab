#if canImport(Observation)
    import Observation

    /// The state of an assistant as a value that SwiftUI follows.
    @available(iOS 17, macOS 14, *)
    @MainActor @Observable
    public final class ObservedEngine {
        /// What the assistant is doing.
        public private(set) var state: EngineState

        @ObservationIgnored private var following: Task<Void, Never>?

        /// Follows the assistant for as long as this object lives.
        public init(_ assistant: Assistant) {
            state = assistant.state
            following = Task { [weak self, states = assistant.states] in
                for await state in states {
                    guard let self else { return }
                    self.state = state
                }
            }
        }

        deinit {
            following?.cancel()
        }
    }
#endif
