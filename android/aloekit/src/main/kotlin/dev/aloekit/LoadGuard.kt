package dev.aloekit

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.io.File

/**
 * Keeps an app from dying at every start over a model that is too large for the phone.
 *
 * The system ends an app that takes too much memory without a word. So a marker is written before a model is loaded and
 * deleted after it, loaded or refused: a marker that is still there names a model that the process did not survive.
 *
 * Loading that was cancelled goes on unseen and can still end the process, so its marker stays until loading is over.
 */
public class LoadGuard(
    private val marker: File,
) {
    /** The model whose last load the process did not survive. */
    public suspend fun unfinished(): String? = withContext(Dispatchers.IO) { read() }

    /** The user was asked and wants to try again. */
    public suspend fun forgive(): Unit = withContext(Dispatchers.IO) { clear() }

    /** [settled] returns when loading is over, also that of a call that was cancelled. */
    internal suspend fun <T> around(
        model: String,
        settled: suspend () -> Unit = {},
        load: suspend () -> T,
    ): T {
        // Set in there: cancelled just then, the call ends although the marker is written.
        var begun = false
        try {
            withContext(Dispatchers.IO) {
                begin(model)
                begun = true
            }
            return load()
        } finally {
            if (begun) leave(settled)
        }
    }

    /** Waits for the end of loading elsewhere: whoever cancelled is not kept. */
    private suspend fun leave(settled: suspend () -> Unit) {
        val ending =
            unseen.launch {
                settled()
                end()
            }
        if (currentCoroutineContext().isActive) ending.join()
    }

    private fun begin(model: String) =
        synchronized(loading) {
            if (read() == model) throw UnfinishedLoadException(model)
            marker.absoluteFile.parentFile?.mkdirs()
            marker.writeText(model)
            loading.merge(marker.absolutePath, 1, Int::plus)
        }

    private fun end() =
        synchronized(loading) {
            // The marker is that of the loads which still go on.
            if (loading.merge(marker.absolutePath, -1) { a, b -> (a + b).takeIf { it > 0 } } == null) clear()
        }

    /** A marker of this process's own loads says nothing: it lives. */
    private fun read(): String? =
        synchronized(loading) {
            if (marker.absolutePath !in loading && marker.isFile) marker.readText() else null
        }

    private fun clear() {
        marker.delete()
    }

    private companion object {
        /** How many loads go on under each marker. */
        val loading = HashMap<String, Int>()

        /** What outlives the call that was cancelled. */
        val unseen = CoroutineScope(Dispatchers.IO)
    }
}

/** The process did not survive the last load of this model: ask the user, then [LoadGuard.forgive], or choose another. */
public class UnfinishedLoadException(
    public val model: String,
) : Exception("the app did not survive the last load of this model")
