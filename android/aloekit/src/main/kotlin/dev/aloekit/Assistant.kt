package dev.aloekit

import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import java.io.File

/**
 * A loaded model with a memory of its user.
 *
 * Every call may be made from the main thread: what takes long is a suspend function and runs on native threads.
 */
public class Assistant internal constructor(
    private val native: NativeAssistant,
) : AutoCloseable {
    private val lock = Any()
    private var activity = Activity()
    private val current = MutableStateFlow<EngineState>(EngineState.Ready)

    /** What it is doing. */
    public val state: StateFlow<EngineState> = current.asStateFlow()

    /** What is known of the user, and their rights over it. */
    public val persona: Persona = Persona(native.persona())

    /** What is known of the loaded model. */
    public val model: ModelInfo
        get() = native.model()

    /** Starts or resumes a conversation; the newest one, if nothing else is said. */
    public suspend fun session(params: SessionParams = SessionParams()): Session = Session(native.session(params), this)

    /**
     * Waits until what was said so far has been read for facts: for showing them right after a reply. Not needed before
     * the next message, which comes after it anyway.
     */
    public suspend fun settle(): Unit = native.settle()

    /**
     * Encrypts the memory anew under another key. A process that dies in between leaves it under one of the two keys,
     * whole: keep both until this returns.
     */
    public suspend fun rekey(key: StoreKey): Unit = native.rekey(key)

    /** Frees the KV cache of conversations that are not being answered. Their next message takes longer to begin. */
    public fun releaseCaches(): Unit = native.releaseCaches()

    /** The app leaves the foreground: with a GPU, replies end with [AloeException.Backgrounded] before this returns. */
    public suspend fun enterBackground() {
        native.enterBackground()
        change { copy(backgrounded = true) }
    }

    /** The app is in the foreground again. */
    public fun enterForeground() {
        native.enterForeground()
        change { copy(backgrounded = false) }
    }

    /** Closes from now on; snapshots are saved and the model is freed on a native thread. A second time does nothing. */
    override fun close() {
        native.beginClose()
        change { copy(closed = true) }
    }

    /** [close], and waits until everything is freed. */
    public suspend fun closeAndWait() {
        change { copy(closed = true) }
        native.finishClose()
    }

    internal suspend fun <T> answering(answer: suspend () -> T): T {
        change { copy(replies = replies + 1) }
        try {
            return answer()
        } finally {
            change { copy(replies = replies - 1) }
        }
    }

    private fun change(how: Activity.() -> Activity) {
        synchronized(lock) {
            activity = activity.how()
            current.value = activity.state()
        }
    }

    public companion object {
        /**
         * Opens the memory and loads the model. Cancelling ends the call at once; what was loaded is freed.
         *
         * With a [guard], a model that the process did not survive loading is not loaded again without asking.
         */
        public suspend fun open(
            params: AssistantParams,
            guard: LoadGuard? = null,
        ): Assistant {
            if (guard == null) return Assistant(cancellable { nativeOpenAssistant(params, it) })
            val token = NativeCancelToken()
            val load = suspend { token.cancelling { nativeOpenAssistant(params, it) } }
            return Assistant(guard.around(params.engine.model, { token.use { it.settled() } }, load))
        }

        /**
         * Encrypts a plain memory that is closed, whole or not at all: for an app that has users from before it had keys.
         */
        public suspend fun encryptMemory(
            memory: File,
            key: StoreKey,
        ): Unit = nativeEncryptStore(memory.path, key)

        /** What loading a model would take, read from its header alone. */
        public suspend fun estimateMemory(params: EngineParams): MemoryEstimate = nativeEstimateMemory(params)
    }
}

/** Hands a token to a native call and cancels it when the coroutine is cancelled. */
internal suspend fun <T> cancellable(call: suspend (NativeCancelToken) -> T): T =
    NativeCancelToken().use { token -> token.cancelling(call) }

private suspend fun <T> NativeCancelToken.cancelling(call: suspend (NativeCancelToken) -> T): T =
    try {
        call(this)
    } finally {
        cancel()
    }
