package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const (
	signPath   = "/rest/service/sign"
	answerType = "application/json;charset=UTF-8"
)

// Files from which the peers serve one answer to all requests.
const (
	prismFile    = "prism.json"
	mockoonFile  = "mockoon.json"
	wiremockFile = "mappings/sign.json" // below the directory that WireMock is given
)

type object = map[string]any

// peerFiles writes what the peers need to serve the answer.
func peerFiles(dir string, answer []byte) error {
	if !json.Valid(answer) {
		return fmt.Errorf("the answer is not JSON: %.100s", answer)
	}
	for name, content := range map[string]object{
		prismFile: prismDocument(answer), mockoonFile: mockoonEnvironment(answer), wiremockFile: wiremockMapping(answer),
	} {
		text, err := json.Marshal(content)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// prismDocument is an OpenAPI document whose schema takes any object, so that Prism has
// least to validate.
func prismDocument(answer []byte) object {
	anything := object{"type": "object"}
	return object{
		"openapi": "3.0.3",
		"info":    object{"title": "One answer", "version": "1"},
		"paths": object{signPath: object{"post": object{
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": anything}}},
			"responses": object{"200": object{"description": "signed", "content": object{
				"application/json": object{"schema": anything, "example": json.RawMessage(answer)},
			}}},
		}}},
	}
}

// mockoonEnvironment has one route. Templates are off, because the answer has none.
func mockoonEnvironment(answer []byte) object {
	const env, route, response = "0e0f7d2a-6a3c-4b60-9a4e-3f0d4f1b7c01", "0e0f7d2a-6a3c-4b60-9a4e-3f0d4f1b7c02", "0e0f7d2a-6a3c-4b60-9a4e-3f0d4f1b7c03"
	return object{
		"uuid": env, "lastMigration": 33, "name": "One answer", "port": 0, "hostname": "127.0.0.1",
		"rootChildren": []object{{"type": "route", "uuid": route}},
		"routes": []object{{
			"uuid": route, "type": "http", "method": "post", "endpoint": signPath[1:],
			"responses": []object{{
				"uuid": response, "statusCode": 200, "default": true, "disableTemplating": true, "bodyType": "INLINE", "body": string(answer),
				"headers": []object{{"key": "Content-Type", "value": answerType}},
			}},
		}},
	}
}

func wiremockMapping(answer []byte) object {
	return object{
		"request":  object{"method": "POST", "urlPath": signPath},
		"response": object{"status": 200, "headers": object{"Content-Type": answerType}, "body": string(answer)},
	}
}
