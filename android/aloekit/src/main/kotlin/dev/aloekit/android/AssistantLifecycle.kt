package dev.aloekit.android

import android.app.Activity
import android.app.Application
import android.content.ComponentCallbacks2
import android.content.res.Configuration
import android.os.Bundle
import dev.aloekit.AloeException
import dev.aloekit.Assistant
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/**
 * Tells an assistant what the system tells the app: short of memory, it frees KV caches; out of sight, it says so to the
 * engine. [close] stops listening and leaves the assistant open.
 */
public class AssistantLifecycle(
    private val application: Application,
    private val assistant: Assistant,
    private val scope: CoroutineScope,
) : AutoCloseable {
    private var started = 0

    private val memory =
        object : ComponentCallbacks2 {
            override fun onTrimMemory(level: Int) {
                if (level >= ComponentCallbacks2.TRIM_MEMORY_RUNNING_LOW) assistant.releaseCaches()
            }

            override fun onLowMemory(): Unit = assistant.releaseCaches()

            override fun onConfigurationChanged(newConfig: Configuration): Unit = Unit
        }

    private val activities =
        object : Application.ActivityLifecycleCallbacks {
            override fun onActivityStarted(activity: Activity) {
                if (started++ == 0) tell { enterForeground() }
            }

            override fun onActivityStopped(activity: Activity) {
                if (--started == 0) tell { enterBackground() }
            }

            override fun onActivityCreated(
                activity: Activity,
                savedInstanceState: Bundle?,
            ): Unit = Unit

            override fun onActivityResumed(activity: Activity): Unit = Unit

            override fun onActivityPaused(activity: Activity): Unit = Unit

            override fun onActivitySaveInstanceState(
                activity: Activity,
                outState: Bundle,
            ): Unit = Unit

            override fun onActivityDestroyed(activity: Activity): Unit = Unit
        }

    init {
        application.registerComponentCallbacks(memory)
        application.registerActivityLifecycleCallbacks(activities)
    }

    override fun close() {
        application.unregisterComponentCallbacks(memory)
        application.unregisterActivityLifecycleCallbacks(activities)
    }

    private fun tell(what: suspend Assistant.() -> Unit) {
        scope.launch {
            try {
                assistant.what()
            } catch (_: AloeException.Closed) {
                // Nothing is left that would have to know.
            }
        }
    }
}
