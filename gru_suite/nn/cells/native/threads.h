/* Work that threads share. Part of recurrent_kernel.c. */
#define MAX_THREADS 256

typedef void share(const kernel_call *, const void *work, int64_t index, int64_t threads);

/* One thread's share: row blocks `index`, `index + threads`, ... */
typedef struct {
    const kernel_call *call;
    const void *weights;
    int64_t threads;
    int64_t next;
    share *work;
} team;

typedef struct {
    team *shared;
    int64_t index;
} member;

static void run_share(team *shared, int64_t index) {
    float_mode before = flush_denormals();
    shared->work(shared->call, shared->weights, index, shared->threads);
    restore_denormals(before);
}

static void pool_body(void *data) {
    team *shared = data;
    /* A runner may start fewer threads than asked for: whoever is there takes what is left. */
    for (;;) {
        int64_t index = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (index >= shared->threads) return;
        run_share(shared, index);
    }
}

static void *thread_body(void *data) {
    member *one = data;
    run_share(one->shared, one->index);
    return NULL;
}

/* libgomp's pool does not survive a fork: its threads are gone in the child, and it waits for them. */
static int forked;
static void note_fork(void) { forked = 1; }
static void watch_forks(void) { pthread_atfork(NULL, NULL, note_fork); }

static void run_team(team *shared, kernel_runner runner) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_t threads[MAX_THREADS];
    member members[MAX_THREADS];
    int64_t started = 1;
    if (shared->threads == 1) {
        run_share(shared, 0);
        return;
    }
    pthread_once(&once, watch_forks);
    if (runner && !forked) {
        runner(pool_body, shared, (unsigned)shared->threads, 0);
        return;
    }
    for (; started < shared->threads; started++) {
        members[started] = (member){shared, started};
        if (pthread_create(&threads[started], NULL, thread_body, &members[started])) break;
    }
    run_share(shared, 0);
    for (int64_t i = started; i < shared->threads; i++) run_share(shared, i);
    for (int64_t i = 1; i < started; i++) pthread_join(threads[i], NULL);
}

static int64_t team_size(const kernel_call *c, int64_t block_rows) {
    int64_t blocks = (c->batch_size + block_rows - 1) / block_rows;
    return min_i64(min_i64(blocks, MAX_THREADS), c->threads > 1 ? c->threads : 1);
}

/* Rows of the batch of one thread: blocks at first, first + stride, ..., before end. */
typedef struct {
    int64_t first;
    int64_t end;
    int64_t stride;
} row_share;

static row_share rows_of_share(const kernel_call *c, int64_t block_rows, int64_t index, int64_t threads) {
    const int64_t B = c->batch_size;
    /* Equally long: as many rows for each thread, also where blocks do not divide them. */
    if (!c->offsets) return (row_share){B * index / threads, B * (index + 1) / threads, block_rows};
    /* Long sequences come first: blocks by turns. */
    return (row_share){index * block_rows, B, threads * block_rows};
}
