# Read by the build of llama.cpp when an app's library is made (CMAKE_PROJECT_INCLUDE in the environment): llama.cpp itself
# is compiled for size, since a token passes through it once; ggml, which computes, stays as fast as it was.
foreach(language C CXX)
    if(PROJECT_NAME STREQUAL "llama.cpp")
        set(fast_${language} "${CMAKE_${language}_FLAGS_RELEASE}")
        string(REGEX REPLACE "-O[0-3s]" "" CMAKE_${language}_FLAGS_RELEASE "${fast_${language}}")
        string(APPEND CMAKE_${language}_FLAGS_RELEASE " -Os")
    elseif(PROJECT_NAME STREQUAL "ggml" AND fast_${language})
        set(CMAKE_${language}_FLAGS_RELEASE "${fast_${language}}")
    endif()
endforeach()
