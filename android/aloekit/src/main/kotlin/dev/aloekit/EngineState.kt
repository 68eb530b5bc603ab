package dev.aloekit

/** What an assistant is doing, for whoever draws it. */
public sealed interface EngineState {
    /** Waiting for a message. */
    public data object Ready : EngineState

    /** Answering in this many sessions. */
    public data class Answering(
        val replies: Int,
    ) : EngineState

    /** The app said that it is in the background; with a GPU no reply begins. */
    public data object Backgrounded : EngineState

    /** Closed. */
    public data object Closed : EngineState
}

/** Counts what is under way and says what it makes of the state. */
internal data class Activity(
    val replies: Int = 0,
    val backgrounded: Boolean = false,
    val closed: Boolean = false,
) {
    fun state(): EngineState =
        when {
            closed -> EngineState.Closed
            replies > 0 -> EngineState.Answering(replies)
            backgrounded -> EngineState.Backgrounded
            else -> EngineState.Ready
        }
}
