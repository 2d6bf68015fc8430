/** Version of the server, as `/health`, the log and the command line show it. */
export const version = '0.1.0'
