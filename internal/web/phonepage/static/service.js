// The name of the service, which the server fills in.

export const service = "SERVICE_NAME"; // with double quotes: it is filled in as JSON
